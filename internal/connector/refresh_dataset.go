package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"freshet.dev/powerbi"
)

// dataset is a semantic model that is refreshed.
type dataset struct {
	in      *invocation
	ref     powerbi.Ref
	request powerbi.RefreshRequest
	kind    string // of the refresh
}

func refreshDataset(ctx context.Context, in *invocation) ([]record, error) {
	d := &dataset{in: in, kind: "ViaApi"}
	d.body()
	var err error
	if d.ref, err = in.dataset(ctx, "Id"); err != nil {
		return nil, err
	}
	r := &refresher{in: in, target: d, id: d.ref.DatasetID}
	return r.refresh(ctx)
}

// body reads the parameters of an enhanced refresh.
func (d *dataset) body() {
	in, request := d.in, &d.request
	request.Type, request.CommitMode = in.value("Type"), in.value("CommitMode")
	request.EffectiveDate, request.Timeout = in.value("EffectiveDate"), in.value("Timeout")
	for name, to := range map[string]**int{"MaxParallelism": &request.MaxParallelism, "RetryCount": &request.RetryCount} {
		if in.value(name) != "" {
			n := int(in.count(name))
			*to = &n
		}
	}
	if in.value("ApplyRefreshPolicy") != "" {
		apply := in.flag("ApplyRefreshPolicy")
		request.ApplyRefreshPolicy = &apply
	}
	request.Objects, _ = objectsOf(in.value("Objects")) // checked when it was bound
	enhanced := request.Type != "" || request.CommitMode != "" || request.EffectiveDate != "" || request.Timeout != "" || request.MaxParallelism != nil ||
		request.RetryCount != nil || request.ApplyRefreshPolicy != nil || len(request.Objects) > 0
	if enhanced {
		d.kind = "ViaEnhancedApi"
	}
	request.NotifyOption = in.value("NotifyOption")
}

// objectsOf reads the two forms of Objects.
func objectsOf(text string) (objects []powerbi.RefreshObject, err error) {
	switch {
	case text == "":
		return nil, nil
	case strings.HasPrefix(strings.TrimSpace(text), "["):
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&objects); err != nil {
			return nil, err
		}
	default:
		for part := range strings.SplitSeq(text, ",") {
			table, partition, _ := strings.Cut(strings.TrimSpace(part), "/")
			objects = append(objects, powerbi.RefreshObject{Table: table, Partition: partition})
		}
	}
	if slices.ContainsFunc(objects, func(o powerbi.RefreshObject) bool { return o.Table == "" }) {
		return nil, errors.New("an object names no table")
	}
	return objects, nil
}

func checkObjects(text string) string {
	if _, err := objectsOf(text); err != nil {
		return fmt.Sprintf(`TABLE or TABLE/PARTITION, several with commas between, or JSON such as [{"table":"Sales","partition":"2024"}] (%v)`, err)
	}
	return ""
}

// timeoutForm is the form that the service documents.
var timeoutForm = regexp.MustCompile(`^([01]?[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$`)

func checkTimeout(text string) string {
	if !timeoutForm.MatchString(strings.TrimSpace(text)) {
		return "hh:mm:ss up to 23:59:59"
	}
	return ""
}

func (d *dataset) String() string {
	if name := d.in.value("DatasetName"); name != "" {
		return "the semantic model '" + name + "'"
	}
	return "the semantic model '" + d.ref.DatasetID + "'"
}

func (d *dataset) list() string {
	where := "get_dataset_refreshes WHERE DatasetId = '" + d.ref.DatasetID + "'"
	if d.ref.GroupID != "" {
		where += " AND WorkspaceId = '" + d.ref.GroupID + "'"
	}
	return where
}

func (d *dataset) client() *powerbi.Client { return d.in.run.connector.client }

func (d *dataset) start(ctx context.Context) (*started, error) {
	accepted, err := d.client().Refresh(ctx, d.ref, d.request, powerbi.RefreshOptions{})
	s := &started{request: accepted.RequestID, http: http.StatusAccepted, at: accepted.At, dropped: accepted.Dropped, found: accepted.Found}
	if s.found {
		s.http = 0
	}
	return s, err
}

// running is the newest refresh that has not ended, or else the newest, which has ended since the refusal.
func (d *dataset) running(ctx context.Context, s *started) (string, error) {
	list, err := d.client().Refreshes(ctx, d.ref, 0)
	if err != nil {
		return "", err
	}
	for _, entry := range list {
		if entry.RequestID != s.request && !entry.Status.Ended() {
			d.kind = entry.RefreshType
			return entry.RequestID, nil
		}
	}
	for _, entry := range list {
		if entry.RequestID != s.request {
			d.kind = entry.RefreshType
			return entry.RequestID, nil
		}
	}
	return "", nil
}

func (d *dataset) pending(request string) outcome {
	return outcome{request: request, kind: d.kind, status: string(powerbi.Unknown)}
}

func (d *dataset) follow(ctx context.Context, s *started, interval time.Duration) (outcome, error) {
	result, err := d.client().Wait(ctx, d.ref, s.request, powerbi.WaitOptions{
		Interval: interval, Since: s.at,
		Observe: func(o powerbi.Observed) { d.in.run.tell(d.progress(o, s.request)) },
		OnError: func(err error) {
			d.in.run.tell(fmt.Sprintf("%s: reading its status failed, trying again: %s", d, trouble(err)))
		},
	})
	if err != nil {
		return outcome{}, err
	}
	end := outcome{request: result.RequestID, kind: d.kind, from: result.Detail.StartTime.Time, to: result.Detail.EndTime.Time,
		status: string(result.Status), succeeded: result.Status == powerbi.Completed, detail: plain(result.Detail)}
	if own := result.Detail.Freshet; own != nil && own.RefreshType != "" {
		end.kind = own.RefreshType
	}
	end.reasons = reasonsOf(result.Detail)
	return end, nil
}

// reasonsOf is why a refresh failed, as it stands behind its status.
func reasonsOf(detail powerbi.RefreshDetail) (reasons string) {
	for _, message := range detail.Messages {
		if message.Type != "Warning" {
			reasons += ": " + strings.TrimSpace(message.Code+" "+message.Message)
		}
	}
	return reasons
}

// progress tells of a refresh as far as the service does.
func (d *dataset) progress(o powerbi.Observed, request string) string {
	text := fmt.Sprintf("%s: %s, request %s", d, o.Status, request)
	if own := o.Detail.Freshet; own != nil && own.Rows > 0 {
		text += fmt.Sprintf(", %d rows", own.Rows)
	}
	return text
}

// cancel cancels a refresh of any kind where the service can.
func (d *dataset) cancel(ctx context.Context, s *started) error {
	err := d.client().CancelRefresh(ctx, d.ref, s.request)
	var refusal *powerbi.Error
	if errors.As(err, &refusal) && refusal.Status == http.StatusBadRequest && refusal.FromFreshet() {
		return d.client().CancelAnyRefresh(ctx, d.ref.DatasetID, s.request)
	}
	return err
}
