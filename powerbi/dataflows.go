package powerbi

import (
	"context"
	"net/http"
	"strings"
)

// DataflowTransaction is a refresh of a dataflow. Its id has the form 2020-08-27T16:07:47.2487692Z@GUID$2.
type DataflowTransaction struct {
	ID          string            `json:"id"`
	RefreshType string            `json:"refreshType,omitempty"` // OnDemand, Scheduled
	StartTime   Time              `json:"startTime,omitzero"`
	EndTime     Time              `json:"endTime,omitzero"`
	Status      TransactionStatus `json:"status"`

	Freshet *TransactionOrigin `json:"freshet,omitempty"` // Freshet only
}

// TransactionOrigin tells which refresh a transaction is.
type TransactionOrigin struct {
	RequestID string `json:"requestId"` // AnyRefreshDetail of it and the dataflow tells how it went, and why it failed
}

// TransactionStatus is the status of a dataflow's transaction. A word that is not among the constants is kept as it came.
type TransactionStatus string

// The statuses of transactions. No document lists them: these are what clients have met.
const (
	TransactionInProgress TransactionStatus = "InProgress"
	TransactionSuccess    TransactionStatus = "Success"
	TransactionFailed     TransactionStatus = "Failed"
	TransactionCancelled  TransactionStatus = "Cancelled"
	TransactionPartial    TransactionStatus = "PartialComplete" // some entities failed
)

// Ended tells whether s never changes again. Words that are not known are taken for a running refresh.
func (s TransactionStatus) Ended() bool {
	switch strings.ToLower(string(s)) {
	case "failed", "cancelled", "canceled", "partialcomplete":
		return true
	}
	return s.Succeeded()
}

// Succeeded tells whether s is the end of a refresh of all entities.
func (s TransactionStatus) Succeeded() bool {
	switch strings.ToLower(string(s)) {
	case "success", "succeeded", "completed":
		return true
	}
	return false
}

// DataflowTransactionStatus is the answer to a cancellation.
type DataflowTransactionStatus struct {
	TransactionID string `json:"transactionId"`
	Status        string `json:"status"` // SuccessfullyMarked, AlreadyConcluded, NotFound, Invalid
}

// DataflowRefresh is the body of a request for a refresh of a dataflow.
type DataflowRefresh struct {
	NotifyOption string `json:"notifyOption"` // MailOnFailure, NoNotification
}

// DataflowTransactions lists the transactions of a dataflow.
func (c *Client) DataflowTransactions(ctx context.Context, groupID, dataflowID string) ([]DataflowTransaction, error) {
	list, _, err := c.transactions(ctx, groupID, dataflowID)
	return list, err
}

func (c *Client) transactions(ctx context.Context, groupID, dataflowID string) ([]DataflowTransaction, answer, error) {
	var list List[DataflowTransaction]
	a, err := c.call(ctx, http.MethodGet, myorg("groups", groupID, "dataflows", dataflowID, "transactions"), nil, nil, nil, &list)
	return list.Value, a, err
}

// CancelDataflowTransaction asks to cancel a transaction. That it was too late is no error: see the status.
func (c *Client) CancelDataflowTransaction(ctx context.Context, groupID, transactionID string) (DataflowTransactionStatus, error) {
	var status DataflowTransactionStatus
	_, err := c.call(ctx, http.MethodPost, myorg("groups", groupID, "dataflows", "transactions", transactionID, "cancel"), nil, nil, nil, &status)
	return status, err
}

// DataflowUpdate is what a dataflow is to be; what is left out stays.
type DataflowUpdate struct {
	Name                  *string `json:"name,omitempty"`
	Description           *string `json:"description,omitempty"`
	AllowNativeQueries    *bool   `json:"allowNativeQueries,omitempty"`
	ComputeEngineBehavior string  `json:"computeEngineBehavior,omitempty"` // computeOptimized, computeOn, computeDisabled
}

// UpdateDataflow gives a dataflow another name, description or way of being evaluated.
func (c *Client) UpdateDataflow(ctx context.Context, groupID, dataflowID string, update DataflowUpdate) (Dataflow, error) {
	var dataflow Dataflow
	_, err := c.call(ctx, http.MethodPatch, myorg("groups", groupID, "dataflows", dataflowID), nil, nil, update, &dataflow)
	return dataflow, err
}

// DataflowDefinition is a dataflow of generation 2, as Fabric's API describes one.
type DataflowDefinition struct {
	Definition struct {
		Parts []DefinitionPart `json:"parts"`
	} `json:"definition"`
}

// DefinitionPart is a file of a definition.
type DefinitionPart struct {
	Path        string `json:"path"`
	Payload     []byte `json:"payload"`
	PayloadType string `json:"payloadType"` // InlineBase64
}

// Dataflow exports a dataflow: its model.json as it is, or of generation 2 from Freshet a DataflowDefinition.
func (c *Client) Dataflow(ctx context.Context, groupID, dataflowID string) ([]byte, error) {
	raw, err := c.Raw(ctx, http.MethodGet, myorg("groups", groupID, "dataflows", dataflowID), nil)
	return raw.Body, err
}

// DeleteDataflow deletes a dataflow and its data.
func (c *Client) DeleteDataflow(ctx context.Context, groupID, dataflowID string) error {
	_, err := c.call(ctx, http.MethodDelete, myorg("groups", groupID, "dataflows", dataflowID), nil, nil, nil, nil)
	return err
}

// DataflowDatasources lists the data sources that the queries of a dataflow name.
func (c *Client) DataflowDatasources(ctx context.Context, groupID, dataflowID string) ([]Datasource, error) {
	var list List[Datasource]
	_, err := c.call(ctx, http.MethodGet, myorg("groups", groupID, "dataflows", dataflowID, "datasources"), nil, nil, nil, &list)
	return list.Value, err
}

// UpdateDataflowSchedule changes a dataflow's schedule. Nothing tells how it is set.
func (c *Client) UpdateDataflowSchedule(ctx context.Context, groupID, dataflowID string, change ScheduleChange) error {
	_, err := c.call(ctx, http.MethodPatch, myorg("groups", groupID, "dataflows", dataflowID, "refreshSchedule"), nil, nil, ScheduleUpdate{change}, nil)
	return err
}

// DependentDataflow is a dataflow that another one reads.
type DependentDataflow struct {
	TargetDataflowID string `json:"targetDataflowId"`
	GroupID          string `json:"groupId"`
}

// DependentDataflows lists the dataflows that a dataflow reads: by linked entities, and by its queries.
func (c *Client) DependentDataflows(ctx context.Context, groupID, dataflowID string) ([]DependentDataflow, error) {
	var list List[DependentDataflow]
	_, err := c.call(ctx, http.MethodGet, myorg("groups", groupID, "dataflows", dataflowID, "upstreamDataflows"), nil, nil, nil, &list)
	return list.Value, err
}
