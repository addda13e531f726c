package powerbi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
)

// DefaultHost is Power BI itself.
const DefaultHost = "https://api.powerbi.com"

// maxBody bounds what the client reads of one JSON answer.
const maxBody = 64 << 20

// Client talks to one host. The zero value talks to Power BI without a token; a Client is safe for concurrent use, and neither it nor its
// fields may be copied or changed while it is used.
//
// A call that failed for a while is repeated by itself: after a 429 or a 503 that names a Retry-After as late as that says, else after pauses that
// grow from half a second to 30 seconds and are never the same twice. What reads or may be done twice (GET, PUT, PATCH, DELETE) is repeated after a lost connection and
// any 5xx, too; a POST only where it certainly was not handled (Refresh knows more, see there). When the context's deadline comes before the next
// try, the call fails at once with a DeadlineError.
type Client struct {
	Host    string                                    // scheme and host, such as http://127.0.0.1:8480; "" is DefaultHost
	Token   func(ctx context.Context) (string, error) // asked before each call, so that it can renew; nil: no Authorization header
	Refused func(token string)                        // told of a token that got a 401, before Token is asked once more; may be nil
	HTTP    *http.Client                              // nil: http.DefaultClient
	Retries int                                       // how often a call is repeated; 0: 5 times; below 0: never
	OnPause func(err error, pause time.Duration)      // told before each pause what failed; may be nil; Wait tells its OnError instead

	fromFreshet atomic.Bool    // Freshet has answered: it knows Idempotency-Key
	random      func() float64 // in [0, 1), for the pauses; nil: math/rand
}

// Ref names a dataset. Without a group the calls take the form for "My workspace", which finds every dataset by its id in Freshet.
type Ref struct {
	GroupID   string
	DatasetID string
}

// ParseURL takes the address of a dataset, or of anything below it, apart: the base URL of the service's documents
// (https://api.powerbi.com/v1.0/myorg/groups/{groupId}/datasets/{datasetId}/refreshes), or a Location. Without a group, GroupID is "".
func ParseURL(text string) (host string, ref Ref, err error) {
	address, err := url.Parse(text)
	if err != nil || address.Host == "" {
		return "", Ref{}, fmt.Errorf("cannot read %q as the address of a dataset", text)
	}
	parts := strings.Split(strings.Trim(address.Path, "/"), "/")
	if len(parts) >= 2 && parts[0] == "v1.0" && parts[1] == "myorg" {
		parts = parts[2:]
		if len(parts) >= 2 && parts[0] == "groups" {
			ref.GroupID, parts = parts[1], parts[2:]
		}
		if len(parts) >= 2 && parts[0] == "datasets" && parts[1] != "" {
			ref.DatasetID = parts[1]
			return address.Scheme + "://" + address.Host, ref, nil
		}
	}
	return "", Ref{}, fmt.Errorf("cannot read %q as the address of a dataset: it must look like %s/v1.0/myorg/groups/{groupId}/datasets/{datasetId}", text, DefaultHost)
}

func (r Ref) path(rest ...string) string {
	parts := []string{"datasets", r.DatasetID}
	if r.GroupID != "" {
		parts = append([]string{"groups", r.GroupID}, parts...)
	}
	return myorg(append(parts, rest...)...)
}

func myorg(parts ...string) string { return join("/v1.0/myorg", parts) }

// join appends escaped segments, so that no id can leave its place in the path.
func join(prefix string, parts []string) string {
	var b strings.Builder
	b.WriteString(prefix)
	for _, part := range parts {
		b.WriteString("/")
		b.WriteString(url.PathEscape(part))
	}
	return b.String()
}

// answer is a successful response whose body has been read, or is being read by whoever asked for a stream.
type answer struct {
	status int
	header http.Header
}

// caller is call or once.
type caller func(ctx context.Context, method, path string, query url.Values, header http.Header, body, out any) (answer, error)

// call is once, repeated as Client says.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, header http.Header, body, out any) (a answer, err error) {
	err = c.repeat(ctx, method, mayPass, func() error {
		a, err = c.once(ctx, method, path, query, header, body, out)
		return err
	})
	return a, err
}

// once sends one request with an optional JSON body, and decodes a JSON answer into out when out is not nil.
func (c *Client) once(ctx context.Context, method, path string, query url.Values, header http.Header, body, out any) (answer, error) {
	response, err := c.send(ctx, method, path, query, header, body)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	a := answer{status: response.StatusCode, header: response.Header}
	if out == nil {
		return a, nil
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return a, &TransportError{Method: method, URL: response.Request.URL.Redacted(), Err: fmt.Errorf("the answer was cut off: %w", err)}
	}
	if len(content) > maxBody {
		return a, fmt.Errorf("cannot read the answer of %s %s: it is longer than %d bytes", method, response.Request.URL.Redacted(), maxBody)
	}
	if err := json.Unmarshal(content, out); err != nil {
		return a, fmt.Errorf("cannot read the answer of %s %s as JSON: %w", method, response.Request.URL.Redacted(), err)
	}
	return a, nil
}

// send returns a successful response with its body open, or an error. A 401 asks once for another token: the call was not handled.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, header http.Header, body any) (*http.Response, error) {
	token, err := c.token(ctx)
	if err != nil {
		return nil, err
	}
	response, err := c.sendAs(ctx, token, method, path, query, header, body)
	var refusal *Error
	if c.Token == nil || !errors.As(err, &refusal) || refusal.Status != http.StatusUnauthorized {
		return response, err
	}
	if c.Refused != nil {
		c.Refused(token)
	}
	if other, tokenErr := c.token(ctx); tokenErr == nil && other != token {
		return c.sendAs(ctx, other, method, path, query, header, body)
	}
	return response, err
}

func (c *Client) token(ctx context.Context) (string, error) {
	if c.Token == nil {
		return "", nil
	}
	token, err := c.Token(ctx)
	if err != nil {
		return "", fmt.Errorf("cannot get a token for %s: %w", c.host(), err)
	}
	// Else the transport would refuse it, as if the connection had failed.
	if strings.ContainsFunc(token, unicode.IsControl) {
		return "", fmt.Errorf("cannot use the token for %s: it holds a line break or another control character", c.host())
	}
	return token, nil
}

func (c *Client) host() string {
	if c.Host == "" {
		return DefaultHost
	}
	return c.Host
}

func (c *Client) sendAs(ctx context.Context, token, method, path string, query url.Values, header http.Header, body any) (*http.Response, error) {
	request, err := c.request(ctx, method, path, query, body)
	if err != nil {
		return nil, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	httpClient := c.HTTP
	if httpClient == nil {
		httpClient = http.DefaultClient
	}
	response, err := httpClient.Do(request)
	if err != nil {
		var outer *url.Error // says "Get "…"" in its own words; ours say which call it was
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, &TransportError{Method: method, URL: request.URL.Redacted(), Err: err}
	}
	if response.Header.Get("Server") == serverName {
		c.fromFreshet.Store(true)
	}
	if response.Request != nil && response.Request.Method != method { // a redirection turned a POST into a GET, whose success is another's
		response.Body.Close()
		return nil, fmt.Errorf("cannot %s %s: it was redirected to %s, which is no answer to it", method, request.URL.Redacted(), originOf(response.Request.URL))
	}
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	content, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20)) // what can be read of an error is better than none
	return nil, readError(request, response, content, time.Now())
}

func (c *Client) request(ctx context.Context, method, path string, query url.Values, body any) (*http.Request, error) {
	host := c.host()
	base, err := url.Parse(strings.TrimSuffix(strings.TrimRight(host, "/"), "/v1.0/myorg"))
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("cannot use %q as a host: it must look like https://api.powerbi.com or http://127.0.0.1:8480", host)
	}
	if base.User != nil {
		return nil, fmt.Errorf("cannot use %q as a host: who signs in is told by a token, not before the host", base.Redacted())
	}
	if leaves(path) {
		return nil, fmt.Errorf("cannot call %s: the segments . and .. would lead to another path", path)
	}
	target := base.String() + path
	if len(query) > 0 {
		// The service takes a plus sign as a space, but not every proxy before it does.
		target += "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
	}
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("cannot write the body of %s %s: %w", method, path, err)
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return nil, fmt.Errorf("cannot make the request %s %s: %w", method, path, err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Accept", "application/json")
	return request, nil
}

// leaves tells whether an escaped path has segments that servers and proxies resolve. Escaped dots are dots to them.
func leaves(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if plain, err := url.PathUnescape(segment); err == nil && (plain == "." || plain == "..") {
			return true
		}
	}
	return false
}

// originOf is the scheme and the host of an address: the rest may hold a secret.
func originOf(address *url.URL) string { return address.Scheme + "://" + address.Host }

// Groups lists the workspaces that the caller sees. filter is an OData filter such as "name eq 'Sales'", see NameFilter; "" lists all.
func (c *Client) Groups(ctx context.Context, filter string) ([]Group, error) {
	query := url.Values{}
	if filter != "" {
		query.Set("$filter", filter)
	}
	var list List[Group]
	_, err := c.call(ctx, http.MethodGet, myorg("groups"), query, nil, nil, &list)
	return list.Value, err
}

// NameFilter is the filter that finds the groups of a name.
func NameFilter(name string) string { return "name eq '" + strings.ReplaceAll(name, "'", "''") + "'" }

// Group returns one workspace.
func (c *Client) Group(ctx context.Context, groupID string) (Group, error) {
	var group Group
	_, err := c.call(ctx, http.MethodGet, myorg("groups", groupID), nil, nil, nil, &group)
	return group, err
}

// NewGroup is a workspace to make.
type NewGroup struct {
	Name string `json:"name"`
}

// CreateGroup makes a workspace.
func (c *Client) CreateGroup(ctx context.Context, name string) (Group, error) {
	var group Group
	_, err := c.call(ctx, http.MethodPost, myorg("groups"), url.Values{"workspaceV2": {"True"}}, nil, NewGroup{name}, &group)
	return group, err
}

// GroupUpdate is what can be changed of a workspace.
type GroupUpdate struct {
	Name                        string `json:"name,omitempty"`
	DefaultDatasetStorageFormat string `json:"defaultDatasetStorageFormat,omitempty"` // Small or Large; with Freshet it means nothing
}

// UpdateGroup changes a workspace.
func (c *Client) UpdateGroup(ctx context.Context, groupID string, update GroupUpdate) error {
	_, err := c.call(ctx, http.MethodPatch, myorg("groups", groupID), nil, nil, update, nil)
	return err
}

// DeleteGroup deletes a workspace with all that is in it.
func (c *Client) DeleteGroup(ctx context.Context, groupID string) error {
	_, err := c.call(ctx, http.MethodDelete, myorg("groups", groupID), nil, nil, nil, nil)
	return err
}

// Dataflow is a dataflow as the list of a workspace's shows it.
type Dataflow struct {
	ObjectID     string            `json:"objectId"`
	Name         string            `json:"name"`
	Description  string            `json:"description,omitempty"`
	ModelURL     string            `json:"modelUrl,omitempty"`
	ConfiguredBy string            `json:"configuredBy,omitempty"`
	Users        []json.RawMessage `json:"users"`
	Generation   int               `json:"generation,omitempty"`
}

// DataflowLink tells that a model reads from a dataflow.
type DataflowLink struct {
	DatasetObjectID   string `json:"datasetObjectId"`
	DataflowObjectID  string `json:"dataflowObjectId"`
	WorkspaceObjectID string `json:"workspaceObjectId"` // of the dataflow
}

// UpstreamDataflows lists which models of a workspace read from which dataflows.
func (c *Client) UpstreamDataflows(ctx context.Context, groupID string) ([]DataflowLink, error) {
	var list List[DataflowLink]
	_, err := c.call(ctx, http.MethodGet, myorg("groups", groupID, "datasets", "upstreamDataflows"), nil, nil, nil, &list)
	return list.Value, err
}

// Dataflows lists the dataflows of a workspace.
func (c *Client) Dataflows(ctx context.Context, groupID string) ([]Dataflow, error) {
	var list List[Dataflow]
	_, err := c.call(ctx, http.MethodGet, myorg("groups", groupID, "dataflows"), nil, nil, nil, &list)
	return list.Value, err
}

// Datasets lists the semantic models of a workspace; "" lists those of My workspace (with Freshet: all that the caller sees).
func (c *Client) Datasets(ctx context.Context, groupID string) ([]Dataset, error) {
	path := myorg("datasets")
	if groupID != "" {
		path = myorg("groups", groupID, "datasets")
	}
	var list List[Dataset]
	_, err := c.call(ctx, http.MethodGet, path, nil, nil, nil, &list)
	return list.Value, err
}

// Dataset returns one semantic model.
func (c *Client) Dataset(ctx context.Context, ref Ref) (Dataset, error) {
	var dataset Dataset
	_, err := c.call(ctx, http.MethodGet, ref.path(), nil, nil, nil, &dataset)
	return dataset, err
}

// TakeOver makes the caller the owner of a semantic model, who alone may configure it. ref must name the workspace.
func (c *Client) TakeOver(ctx context.Context, ref Ref) error {
	_, err := c.call(ctx, http.MethodPost, ref.path("Default.TakeOver"), nil, nil, nil, nil)
	return err
}

// DeleteDataset deletes a semantic model and its data.
func (c *Client) DeleteDataset(ctx context.Context, ref Ref) error {
	_, err := c.call(ctx, http.MethodDelete, ref.path(), nil, nil, nil, nil)
	return err
}
