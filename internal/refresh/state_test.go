package refresh

import "testing"

func TestR26Status(t *testing.T) {
	want := map[State]string{
		Queued: "Unknown NotStarted", Accepted: "Unknown NotStarted", Running: "Unknown InProgress", Backoff: "Unknown InProgress", Paused: "Unknown InProgress",
		Cancelling: "Unknown InProgress", Committing: "Unknown InProgress", Completed: "Completed Completed", Failed: "Failed Failed", TimedOut: "Failed TimedOut",
		Cancelled: "Cancelled Cancelled",
	}
	if len(States()) != len(want) || len(transitions) != len(want) {
		t.Fatalf("%d states, %d with transitions", len(States()), len(transitions))
	}
	for _, state := range States() {
		status, extended := state.Status()
		if got := status + " " + extended; got != want[state] {
			t.Errorf("%s: %s, want %s", state, got, want[state])
		}
	}
}

// Every state is reached from Queued, and from every unfinished state the operation can end and be cancelled.
func TestTransitionsAreWhole(t *testing.T) {
	reached := map[State]bool{Queued: true}
	for range States() {
		for state := range reached {
			for _, next := range transitions[state] {
				reached[next] = true
			}
		}
	}
	for _, state := range States() {
		if !reached[state] {
			t.Errorf("%s is never reached", state)
		}
		next, err := state.AfterCancel()
		switch {
		case state.Finished() && err == nil:
			t.Errorf("%s can be cancelled", state)
		case !state.Finished() && next != state && !state.CanBecome(next):
			t.Errorf("%s cannot become %s", state, next)
		}
	}
	if State("Nonsense").Finished() {
		t.Error("an unknown state is finished")
	}
}
