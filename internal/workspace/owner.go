package workspace

import (
	"context"

	"freshet.dev/internal/fault"
)

// TakeOver makes the caller, a person or an application, the owner of a model. It needs Contributor, which the caller of this method has checked.
func (s *Service) TakeOver(ctx context.Context, caller Caller, item Item) error {
	return s.repository.SetOwner(ctx, item.ID, caller.ID, caller.Name)
}

// Owned refuses what only the owner of a model may do (contract, section 4). The owner of the machine may, too; and where no owner is known,
// because the model was deployed by an older Freshet, everybody who may deploy it.
func (s *Service) Owned(caller Caller, item Item) error {
	if caller.Owner || item.Owner == "" || item.Owner == caller.ID {
		return nil
	}
	return fault.New(fault.Denied, codeDenied, "cannot configure model '%s': only its owner may, who is %s", item.Name, item.ConfiguredBy).
		WithHint("Take it over: freshet takeover MODEL; over REST POST /groups/{groupId}/datasets/%s/Default.TakeOver.", item.ID)
}
