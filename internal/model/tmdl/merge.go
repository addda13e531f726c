package tmdl

import (
	"slices"
	"strings"

	"freshet.dev/internal/model"
)

// declaration is an object as all its declarations, in whichever files they stand, make it.
type declaration struct {
	kind       string // the keyword in lower case
	name       string
	node       *node            // the first declaration
	properties map[string]*node // by keyword in lower case; "" is the default value
	children   []*declaration
	index      map[string]*declaration
	refs       map[string][]string // kind → names in the order that ref gives
}

// repeatable tells whether a property is a collection: each line adds one.
func (d *declaration) repeatable(property string) bool {
	switch property {
	case "groupbycolumn", "associatedcolumn":
		return true
	case "column":
		return d.kind == "calendarcolumngroup"
	}
	return false
}

// children lists what may stand in the objects that a refresh reads. In other objects any child is kept.
var children = map[string][]string{
	"model": {
		"database", "model", "table", "relationship", "expression", "dataSource", "role", "perspective", "culture", "cultureInfo",
		"queryGroup", "function", "annotation", "extendedProperty", "changedProperty", "excludedArtifact", "dataAccessOptions",
		"bindingInfo", "autoAggregationInfo", "linguisticMetadata",
	},
	"table": {
		"column", "measure", "hierarchy", "partition", "annotation", "extendedProperty", "changedProperty", "excludedArtifact",
		"refreshPolicy", "calculationGroup", "defaultDetailRowsDefinition", "detailRowsDefinition", "set", "calendar", "function",
	},
	"partition": {"source", "annotation", "extendedProperty", "changedProperty", "dataCoverageDefinition"},
	"role":      {"tablePermission", "member", "annotation", "extendedProperty", "changedProperty"},
}

// merge makes one tree of the files: database and model at its top, the rest in the model.
func merge(files []*file) (*declaration, error) {
	root := &declaration{kind: "model"}
	for _, f := range files {
		for _, n := range f.nodes {
			if err := root.add(n); err != nil {
				return nil, err
			}
		}
	}
	return root, nil
}

// child returns the child that n declares, made when there is none yet.
func (d *declaration) child(n *node) *declaration {
	key := n.kind() + "\x00" + model.NameKey(n.name)
	switch n.kind() {
	case "changedproperty", "excludedartifact", "calendarcolumngroup":
		key += "\x00" + n.value // these have no name: the value tells them apart
	case "database":
		key = n.kind()
	}
	if d.index == nil {
		d.index = map[string]*declaration{}
	}
	c := d.index[key]
	if c == nil {
		c = &declaration{kind: n.kind(), name: n.name, node: n}
		d.index[key] = c
		d.children = append(d.children, c)
	}
	return c
}

func (d *declaration) set(key string, n *node, what string) error {
	if first := d.properties[key]; first != nil && !d.repeatable(key) {
		return n.fail("expected each property once: %s stands at %s:%d:%d too", what, first.file.path, first.line, first.keywordCol)
	}
	if d.properties == nil {
		d.properties = map[string]*node{}
	}
	d.properties[key] = n
	return nil
}

// add puts a node in d: a property, a child, or the order of children.
func (d *declaration) add(n *node) error {
	if n.ref {
		if d.refs == nil {
			d.refs = map[string][]string{}
		}
		d.refs[n.kind()] = append(d.refs[n.kind()], n.name)
		return nil
	}
	if !n.object() {
		if d.node == nil {
			return n.fail("expected %s, found the property %s", list(children["model"]), n.keyword)
		}
		if meant := model.Misspelt(d.kind, n.keyword); meant != "" {
			return n.fail("expected a property of a %s, found %s: is %s meant?", d.kind, n.keyword, meant)
		}
		return d.set(n.kind(), n, n.keyword)
	}
	expected := children[d.kind]
	known := slices.ContainsFunc(expected, func(k string) bool { return strings.EqualFold(k, n.keyword) })
	if n.named && !known && model.Relied(d.kind, n.keyword) {
		return n.fail("expected a colon after the property %s", n.keyword)
	}
	if expected != nil && !known {
		return n.fail("expected %s, found %q", list(expected), n.keyword)
	}
	if !n.named && known && needsName(n.kind()) {
		return n.fail("expected a name after %s", n.keyword)
	}
	c := d.child(n)
	if n.kind() == "model" {
		// The model's children stand in the file beside it or below it: both are the root's.
		c = d
		if d.node == nil {
			d.node = n
		}
	}
	if n.described {
		if err := c.set("///", n, "a description of "+n.keyword+" "+n.name); err != nil {
			return err
		}
	}
	if n.op == '=' {
		if err := c.set("", n, "the value of "+n.keyword+" "+n.name); err != nil {
			return err
		}
	}
	for _, below := range n.children {
		target := c
		if n.kind() == "database" && below.kind() == "model" {
			target = d
		}
		if err := target.add(below); err != nil {
			return err
		}
	}
	return nil
}

func list(words []string) string {
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// all returns the children of a kind: those that ref names first, in its order, then the others as they were found.
func (d *declaration) all(kind string) []*declaration {
	var found []*declaration
	for _, c := range d.children {
		if c.kind == kind {
			found = append(found, c)
		}
	}
	rank := map[string]int{}
	for i, name := range d.refs[kind] {
		rank[model.NameKey(name)] = i - len(d.refs[kind])
	}
	slices.SortStableFunc(found, func(a, b *declaration) int { return rank[model.NameKey(a.name)] - rank[model.NameKey(b.name)] })
	return found
}

// one returns the unnamed child of a kind, or nil.
func (d *declaration) one(kind string) *declaration {
	for _, c := range d.children {
		if c.kind == kind {
			return c
		}
	}
	return nil
}
