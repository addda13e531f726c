package tests

import "freshet.dev/internal/server"

// fileSource is the entry of dataSources that allows a folder.
func fileSource(dir string) server.DataSource { return server.DataSource{Kind: "File", Path: dir} }
