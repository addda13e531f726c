package workspace

import (
	"context"
	"slices"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/store"
)

// Parameter is a parameter of a model's M expressions.
type Parameter struct {
	Name      string
	Type      string // Text, Number, Logical, Date, DateTime, DateTimeZone, Time, Duration, Binary, Any
	Required  bool
	Value     string // as Power BI writes it; "" is null
	Suggested []string
}

// ParameterValue is a value that a parameter is to have; "" is null.
type ParameterValue struct{ Name, Value string }

// language is what this room must know of M.
type language interface {
	// Parameter reads a shared expression; ok is false when it is no parameter.
	Parameter(name, text string) (p Parameter, ok bool)
	// SetParameter returns the text of a parameter with another value.
	SetParameter(name, text, value string) (string, error)
	// Sources finds the data sources that the roots reach, which may name what is shared. Of those in from it changes the details that to has, and
	// returns the texts as they are then.
	Sources(shared, roots []Text, from []Source, to Source) (found []Source, movedShared, movedRoots []Text, err error)
	// Dataflows finds the dataflows that the roots pick by keys.
	Dataflows(shared, roots []Text) []DataflowRef
}

// maxParameters is how many parameters Power BI lets a request set.
const maxParameters = 100

// Tables lists the tables of a model as it is deployed, in the order of its definition. Callers do not change them.
func (s *Service) Tables(ctx context.Context, item Item) ([]*model.Table, error) {
	definition, err := s.repository.Definition(ctx, item.ID, 0)
	if err != nil {
		return nil, err
	}
	read, err := definition.Model()
	if err != nil {
		return nil, err
	}
	return read.Tables, nil
}

// Parameters lists the parameters of a model, in the order of its definition.
func (s *Service) Parameters(ctx context.Context, item Item) ([]Parameter, error) {
	definition, err := s.repository.Definition(ctx, item.ID, 0)
	if err != nil {
		return nil, err
	}
	read, err := definition.Model()
	if err != nil {
		return nil, err
	}
	return s.parameters(read), nil
}

func (s *Service) parameters(m *model.Model) []Parameter {
	var list []Parameter
	for _, expression := range m.Expressions {
		if p, ok := s.language.Parameter(expression.Name, expression.Text); ok {
			list = append(list, p)
		}
	}
	return list
}

// SetParameters gives parameters of a model other values, all of them or none. The data that is present stays, and the next refresh reads with the
// new values. It is Denied to others than the owner, Invalid when a value is not of its parameter's type, and a Conflict while a refresh is unfinished, which began with the
// values of before.
func (s *Service) SetParameters(ctx context.Context, caller Caller, item Item, values []ParameterValue) error {
	if len(values) == 0 || len(values) > maxParameters {
		return fault.New(fault.Invalid, codeInvalid, "cannot update %d parameters: a request updates 1 to %d", len(values), maxParameters)
	}
	return s.override(ctx, caller, item.ID, func(definition Definition, read *model.Model) (Overrides, error) {
		overrides := definition.Overrides
		var seen []string
		for _, value := range values {
			expression := read.Expression(value.Name) // finds it in any letter case
			isParameter := false
			if expression != nil && expression.Name == value.Name {
				_, isParameter = s.language.Parameter(expression.Name, expression.Text)
			}
			if !isParameter {
				return Overrides{}, fault.New(fault.Invalid, codeInvalid, "cannot update parameter '%s': the model has no such parameter", value.Name).
					WithHint("%s", listOf("Its parameters, whose letter case matters, are", s.parameters(read), func(p Parameter) string { return p.Name }))
			}
			if slices.Contains(seen, value.Name) {
				return Overrides{}, fault.New(fault.Invalid, codeInvalid, "cannot update parameter '%s' twice in one request", value.Name)
			}
			seen = append(seen, value.Name)
			text, err := s.language.SetParameter(expression.Name, expression.Text, value.Value)
			if err != nil {
				return Overrides{}, err
			}
			overrides = overrides.set(expression, text)
		}
		return overrides, nil
	})
}

// override stores the next revision of a model, which differs from the present one in its overrides. change gets the definition and the
// model that it makes. The data stays: it counts as read by the new revision, until a refresh replaces it.
func (s *Service) override(ctx context.Context, caller Caller, id string, change func(Definition, *model.Model) (Overrides, error)) error {
	for try := 1; ; try++ {
		item, err := s.repository.Item(ctx, id)
		if err != nil {
			return err
		}
		if err := s.Owned(caller, item); err != nil {
			return err
		}
		present, err := s.deployed(ctx, item)
		if err != nil {
			return err
		}
		former := present.model
		if former == nil {
			_, err := present.definition.Model()
			return err
		}
		definition := present.definition
		if definition.Overrides, err = change(definition, former); err != nil {
			return err
		}
		if definition.Overrides.equal(present.definition.Overrides) {
			return nil
		}
		next, err := definition.Model()
		if err != nil {
			return err
		}
		now := s.options.Now().UTC()
		item = present.item
		item.Revision++
		item.Version++
		item.Modified = now
		definition.Revision, definition.Deployed, definition.DeployedBy = item.Revision, now, caller.Name
		err = s.repository.Deploy(ctx, Revision{
			Item: item, Base: present.item.Revision, BaseVersion: present.item.Version, Definition: definition, Change: kept(present.version, former, next),
		})
		if fault.CodeOf(err) == CodeRedeployed && try < deployTries {
			continue
		}
		return err
	}
}

// kept is the change that keeps all data under another definition of the same tables and partitions. A part that was read by what the former
// definition says counts as read by the next one: else the next deployment would empty it.
func kept(version store.Version, former, next *model.Model) store.Change {
	change := store.Change{Objects: version.Objects}
	former, next = version.Partitioned(former), version.Partitioned(next) // with those that refresh policies have made
	for _, part := range version.Parts {
		formerTable, table := former.Table(part.Table), next.Table(part.Table)
		if formerTable == nil || table == nil {
			continue
		}
		formerPartition, partition := formerTable.Partition(part.Partition), table.Partition(part.Partition)
		if formerPartition == nil || partition == nil || part.Fingerprint != store.Fingerprint(former, formerTable, formerPartition) {
			continue
		}
		if fingerprint := store.Fingerprint(next, table, partition); fingerprint != part.Fingerprint {
			part.Fingerprint = fingerprint
			change.Put = append(change.Put, part)
		}
	}
	return change
}
