package catalog

import "freshet.dev/internal/refresh"

// Forgettable is the statement that looks for what Forget deletes.
const Forgettable = forgettable

// Listing is the statement of List.
func Listing(filter refresh.Filter) (statement string, args []any) {
	clause, args := listing(filter)
	return "SELECT " + operationColumns + " FROM operations " + clause, args
}
