package powerbi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"freshet.dev/internal/powerbitest"
	"freshet.dev/powerbi"
)

var sales = powerbi.Ref{GroupID: "f089354e-8366-4e18-aea3-4cb4a3a50b48", DatasetID: "cfafbeb1-8037-4d0c-896e-a46fb27ff229"}

// service starts a stand-in for Power BI with a workspace Sales and a model AdventureWorks in it.
func service() (*powerbitest.Service, *httptest.Server) {
	s := &powerbitest.Service{Groups: []*powerbitest.Group{{ID: sales.GroupID, Name: "Sales", Models: []powerbitest.Model{{ID: sales.DatasetID, Name: "AdventureWorks"}}}}}
	return s, httptest.NewServer(s)
}

// token gives the token of every example. Yours come from freshet.dev/powerbi/entra.
func token(context.Context) (string, error) { return "a token", nil }

// Find a model by the names of its workspace and itself.
func Example() {
	_, server := service() // stands for powerbi.DefaultHost
	defer server.Close()
	ctx := context.Background()
	client := &powerbi.Client{Host: server.URL, Token: token}

	groups, err := client.Groups(ctx, powerbi.NameFilter("Sales"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, group := range groups {
		datasets, err := client.Datasets(ctx, group.ID)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, dataset := range datasets {
			fmt.Println(group.Name, dataset.Name, dataset.ID)
		}
	}
	// Output: Sales AdventureWorks cfafbeb1-8037-4d0c-896e-a46fb27ff229
}

// A client that repeats nothing by itself, and one that tells of its pauses.
func ExampleClient() {
	s, server := service()
	defer server.Close()
	throttled := true
	s.Fault = func(*http.Request) (fault powerbitest.Fault) {
		if throttled {
			fault = powerbitest.Fault{Status: http.StatusTooManyRequests, RetryAfter: "1"}
		}
		throttled = false
		return fault
	}

	once := &powerbi.Client{Host: server.URL, Token: token, Retries: -1}
	_, err := once.Groups(context.Background(), "")
	var refusal *powerbi.Error
	if errors.As(err, &refusal) {
		fmt.Println("refused with", refusal.Status, "for", refusal.RetryAfter)
	}

	throttled = true
	patient := &powerbi.Client{Host: server.URL, Token: token, OnPause: func(_ error, pause time.Duration) { fmt.Println("again in", pause) }}
	groups, err := patient.Groups(context.Background(), "")
	fmt.Println(len(groups), err)
	// Output:
	// refused with 429 for 1s
	// again in 1s
	// 1 <nil>
}

// Two tables, at most two partitions at a time.
func ExampleClient_Refresh() {
	_, server := service()
	defer server.Close()
	client := &powerbi.Client{Host: server.URL, Token: token}

	two := 2
	accepted, err := client.Refresh(context.Background(), sales, powerbi.RefreshRequest{
		Type: "full", CommitMode: "transactional", MaxParallelism: &two,
		Objects: []powerbi.RefreshObject{{Table: "DimCustomer", Partition: "DimCustomer"}, {Table: "DimDate"}},
	}, powerbi.RefreshOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	detail, err := client.RefreshDetail(context.Background(), sales, accepted.RequestID)
	fmt.Println(detail.Type, detail.CommitMode, len(detail.Objects), err)
	// Output: Full Transactional 2 <nil>
}

// The answer to a start is lost, and the history tells that it was started.
func ExampleClient_Refresh_lostAnswer() {
	s, server := service()
	defer server.Close()
	s.Fault = func(r *http.Request) powerbitest.Fault {
		return powerbitest.Fault{ResetAfter: r.Method == http.MethodPost} // handled, and then the connection breaks
	}
	client := &powerbi.Client{Host: server.URL, Token: token}

	accepted, err := client.Refresh(context.Background(), sales, powerbi.RefreshRequest{Type: "full"}, powerbi.RefreshOptions{})
	var doubt *powerbi.UnsettledError
	if errors.As(err, &doubt) {
		fmt.Println("perhaps it runs, perhaps not:", doubt.Candidates)
	}
	fmt.Println("found:", accepted.Found, "started:", len(s.Refreshes()))
	// Output: found: true started: 1
}

// Follow a refresh and show how far it is.
func ExampleClient_Wait() {
	s, server := service()
	defer server.Close()
	s.Course = func(string, string) powerbitest.Course { return powerbitest.Course{Running: 50 * time.Millisecond} }
	client := &powerbi.Client{Host: server.URL, Token: token}

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	accepted, err := client.Refresh(ctx, sales, powerbi.RefreshRequest{Type: "full"}, powerbi.RefreshOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var last powerbi.Status
	result, err := client.Wait(ctx, sales, accepted.RequestID, powerbi.WaitOptions{
		Since: accepted.At, Interval: 10 * time.Millisecond,
		Observe: func(o powerbi.Observed) {
			if o.Status != last {
				fmt.Println(o.Status)
			}
			last = o.Status
		},
	})
	if err != nil {
		fmt.Println("how it ended is not known:", err)
		return
	}
	fmt.Println(result.Err())
	// Output:
	// InProgress
	// Completed
	// <nil>
}

// A refresh that fails is a result; its error has the service's messages.
func ExampleResult_Err() {
	s, server := service()
	defer server.Close()
	s.Course = func(string, string) powerbitest.Course { return powerbitest.Course{Status: "Failed"} }
	client := &powerbi.Client{Host: server.URL, Token: token}

	accepted, err := client.Refresh(context.Background(), sales, powerbi.RefreshRequest{Type: "full"}, powerbi.RefreshOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := client.Wait(context.Background(), sales, accepted.RequestID, powerbi.WaitOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Status)
	for _, message := range result.Detail.Messages {
		fmt.Println(message.Code, message.Message)
	}
	// Output:
	// Failed
	// 0xC11C0020 Session cancelled because it is connected to a database that has been evicted to free up memory for other operations
}

// Cancel what runs.
func ExampleClient_CancelRefresh() {
	s, server := service()
	defer server.Close()
	s.Course = func(string, string) powerbitest.Course { return powerbitest.Course{Running: time.Hour} }
	client := &powerbi.Client{Host: server.URL, Token: token}

	accepted, err := client.Refresh(context.Background(), sales, powerbi.RefreshRequest{Type: "full"}, powerbi.RefreshOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.CancelRefresh(context.Background(), sales, accepted.RequestID))
	result, err := client.Wait(context.Background(), sales, accepted.RequestID, powerbi.WaitOptions{})
	fmt.Println(result.Status, err)
	// Output:
	// <nil>
	// Cancelled <nil>
}

// Two mornings a week.
func ExampleClient_UpdateRefreshSchedule() {
	_, server := service()
	defer server.Close()
	client := &powerbi.Client{Host: server.URL, Token: token}

	days, times, zone, enabled := []string{"Monday", "Thursday"}, []string{"06:30"}, "Romance Standard Time", true
	err := client.UpdateRefreshSchedule(context.Background(), sales, powerbi.ScheduleChange{Days: &days, Times: &times, LocalTimeZoneID: &zone, Enabled: &enabled})
	if err != nil {
		fmt.Println(err)
		return
	}
	schedule, err := client.RefreshSchedule(context.Background(), sales)
	fmt.Println(schedule.Days, schedule.Times, schedule.LocalTimeZoneID, schedule.Enabled, err)
	// Output: [Monday Thursday] [06:30] Romance Standard Time true <nil>
}

// What the service says, and whether it is worth another try.
func ExampleError() {
	s, server := service()
	defer server.Close()
	s.Add(sales.DatasetID, "ViaEnhancedApi", powerbitest.Course{Running: time.Hour}, nil) // somebody's
	client := &powerbi.Client{Host: server.URL, Token: token}

	_, err := client.Refresh(context.Background(), sales, powerbi.RefreshRequest{Type: "full"}, powerbi.RefreshOptions{})
	var refusal *powerbi.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Status, refusal.Code, refusal.Retryable())
		fmt.Println(refusal.Message)
	}
	// Output:
	// 400 InvalidRequest false
	// Invalid dataset refresh request. Another refresh request is already executing
}

// The service wants to be left alone for longer than the caller has time.
func ExampleDeadlineError() {
	s, server := service()
	defer server.Close()
	s.Fault = func(*http.Request) powerbitest.Fault {
		return powerbitest.Fault{Status: http.StatusTooManyRequests, RetryAfter: "3392"}
	}
	client := &powerbi.Client{Host: server.URL, Token: token}

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := client.Groups(ctx, "")
	var late *powerbi.DeadlineError
	if errors.As(err, &late) {
		fmt.Println("come back in", late.Pause)
	}
	// Output: come back in 56m32s
}
