package workspace

import (
	"slices"
	"strings"

	"freshet.dev/internal/model"
)

// Overrides are what was set of a model after its deployment. They stand in the place of what the files say.
type Overrides struct {
	Parameters []Override `json:"parameters,omitempty"` // by name
}

// Override is the text of an expression in the place of another one.
type Override struct {
	Name string `json:"name"`
	Base string `json:"base"` // what the files said when it was set
	Text string `json:"text"`
}

// apply puts the overrides into a model that was read from the files.
func (o Overrides) apply(m *model.Model) {
	for _, set := range o.Parameters {
		if expression := m.Expression(set.Name); expression != nil {
			expression.Text = set.Text
		}
	}
}

func (o Overrides) equal(other Overrides) bool { return slices.Equal(o.Parameters, other.Parameters) }

// set puts an expression's text in the place of the one that the files have.
func (o Overrides) set(expression *model.Expression, text string) Overrides {
	next := Override{Name: expression.Name, Base: expression.Text, Text: text}
	kept := make([]Override, 0, len(o.Parameters)+1)
	for _, former := range o.Parameters {
		if former.Name == expression.Name {
			next.Base = former.Base
			continue
		}
		kept = append(kept, former)
	}
	if next.Text != next.Base {
		kept = append(kept, next)
	}
	slices.SortFunc(kept, func(a, b Override) int { return strings.Compare(a.Name, b.Name) })
	return Overrides{Parameters: kept}
}

// carried are the overrides that hold for newly deployed files, with a warning for each that does not. What was set stays while the files have
// the value in whose place it was set: an author who has changed that value means the new one.
func (o Overrides) carried(read *model.Model) (kept Overrides, warnings []string) {
	for _, set := range o.Parameters {
		switch expression := read.Expression(set.Name); {
		case expression == nil:
			warnings = append(warnings, "Parameter '"+set.Name+"': the value that was set for it is gone, since the model has no such parameter any more.")
		case expression.Text == set.Base:
			kept.Parameters = append(kept.Parameters, set)
		case expression.Text != set.Text:
			warnings = append(warnings, "Parameter '"+set.Name+"': the value that was set for it is gone, since the deployed files have another one than before.")
		}
	}
	return kept, warnings
}
