package powerbi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Raw is a successful answer as it came.
type Raw struct {
	Status int
	Header http.Header
	Body   []byte
}

// Raw makes any call of the host's API: path is what stands behind /v1.0/myorg, such as /groups, or begins with /v1.0/ itself, and may have a query.
// body, if any, is JSON. Answers from 300 on are an Error; calls are repeated as Client says.
func (c *Client) Raw(ctx context.Context, method, path string, body json.RawMessage) (Raw, error) {
	target, err := url.Parse(path)
	if err != nil || target.Host != "" || target.Scheme != "" || !strings.HasPrefix(path, "/") {
		return Raw{}, fmt.Errorf("cannot call %q: a path begins with one slash", path)
	}
	escaped := target.EscapedPath()
	if !strings.HasPrefix(escaped, "/v1.0/") {
		escaped = myorg() + escaped
	}
	var content any
	if len(body) > 0 {
		content = body
	}
	var raw Raw
	err = c.repeat(ctx, method, mayPass, func() error {
		raw, err = c.rawOnce(ctx, method, escaped, target.Query(), content)
		return err
	})
	return raw, err
}

func (c *Client) rawOnce(ctx context.Context, method, path string, query url.Values, body any) (Raw, error) {
	response, err := c.send(ctx, method, path, query, nil, body)
	if err != nil {
		return Raw{}, err
	}
	defer response.Body.Close()
	raw := Raw{Status: response.StatusCode, Header: response.Header}
	if raw.Body, err = io.ReadAll(io.LimitReader(response.Body, maxBody+1)); err != nil {
		return raw, &TransportError{Method: method, URL: response.Request.URL.Redacted(), Err: fmt.Errorf("the answer was cut off: %w", err)}
	}
	if len(raw.Body) > maxBody {
		return raw, fmt.Errorf("cannot read the answer of %s %s: it is longer than %d bytes", method, response.Request.URL.Redacted(), maxBody)
	}
	return raw, nil
}
