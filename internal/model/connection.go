package model

// Ref says what a data source reaches, in the words of the configuration: its kind ("PostgreSQL", "SQL", "File", "Web" …) and path
// ("host:5432;sales", "/srv/exports"). It never holds a secret.
func (d *DataSource) Ref() (kind, path string, err error) { panic("not yet") }
