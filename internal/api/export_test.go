package api

// Patterns lists method and pattern of every route but those that answer 501.
func Patterns() []string {
	var patterns []string
	absent := map[string]bool{}
	for _, r := range unserved() {
		absent[r.method+" "+r.pattern] = true
	}
	for _, r := range routes() {
		if pattern := r.method + " " + r.pattern; !absent[pattern] {
			patterns = append(patterns, pattern)
		}
	}
	return patterns
}

// Unserved lists method and pattern of the routes that answer 501.
func Unserved() [][2]string {
	var all [][2]string
	for _, r := range unserved() {
		all = append(all, [2]string{r.method, r.pattern})
	}
	return all
}
