package api

import (
	"strconv"
	"strings"
)

// Served is what tests outside know of a route that is served.
type Served struct {
	Name, Method, Pattern string
	Public                bool  // without sign-in
	Answers               []int // the statuses that its row names
	Scopes, Roles         bool  // a token without a scope, and a caller without a role, are refused
}

// Routes lists every route but those that answer 501.
func Routes() []Served {
	var all []Served
	for _, r := range served() {
		var answers []int
		for _, text := range strings.Fields(r.about.answers) {
			status, err := strconv.Atoi(text)
			if err != nil {
				panic(err)
			}
			answers = append(answers, status)
		}
		all = append(all, Served{r.about.name, r.method, r.pattern, r.public, answers, len(r.scopes) > 0, r.role > 0})
	}
	return all
}

// Unserved lists method and pattern of the routes that answer 501.
func Unserved() [][2]string {
	var all [][2]string
	for _, r := range unserved() {
		all = append(all, [2]string{r.method, r.pattern})
	}
	return all
}

// Inside returns what a text tells that no answer may tell.
func Inside(text string) string { return inside.FindString(text) }
