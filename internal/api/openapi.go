package api

import (
	_ "embed"
	"encoding/json"
	"net/http"
)

//go:generate go test -run TestReference . -rewrite

// openAPIDocument is made of the table of routes, see TestReference.
//
//go:embed openapi.json
var openAPIDocument []byte

// openAPI describes all that is served. Who may not call a route may know of it: the same stands in the documentation.
func (c *call) openAPI() (reply, error) {
	return reply{http.StatusOK, json.RawMessage(openAPIDocument)}, nil
}
