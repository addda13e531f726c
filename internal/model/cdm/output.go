package cdm

import (
	"bytes"
	"encoding/json"
	"errors"
	"path"
	"slices"
	"time"

	"freshet.dev/internal/model"
)

// Output is what a model.json says that describes rows that were written.
type Output struct {
	Name        string
	Description string
	Written     time.Time // the commit of the rows
	State       string    // kept as an annotation, freshet:state
	Model       *model.Model
	Partitions  map[string][]OutputPartition // by entity
}

// OutputPartition is a file of rows.
type OutputPartition struct {
	Name     string
	ReadAt   time.Time
	Location string // a URI, relative to the model.json
}

// stateAnnotation is the name of the annotation in which a model.json that Freshet has written says which state of which dataflow it describes.
const stateAnnotation = "freshet:state"

// OutputFile makes the model.json of a CDM folder. Of a dataflow of generation 1 it is the one that was deployed, with name, description, time,
// partitions and state in the place of what it says of them; all other members stay, in their order.
func OutputFile(files map[string][]byte, output Output) ([]byte, error) {
	name, err := Find(files)
	if err != nil {
		return nil, err
	}
	file := object{{"name", nil}, {"description", nil}, {"version", text("1.0")}, {"culture", text(output.Model.Culture)}, {"modifiedTime", nil}}
	var entities []object
	if path.Base(name) == queriesFile {
		for _, table := range output.Model.Tables {
			entities = append(entities, described(table))
		}
	} else {
		file = nil
		if err := json.Unmarshal(withoutMark(files[name]), &file); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(file.get("entities"), &entities); err != nil {
			return nil, err
		}
	}
	file.set("name", text(output.Name))
	file.set("description", text(output.Description))
	file.set("modifiedTime", moment(output.Written))
	var annotations []json.RawMessage
	if err := json.Unmarshal(file.get("annotations"), &annotations); err != nil {
		return nil, err
	}
	state, err := json.Marshal(object{{"name", text(stateAnnotation)}, {"value", text(output.State)}})
	if err != nil {
		return nil, err
	}
	if err := file.setAny("annotations", append(annotations, state)); err != nil {
		return nil, err
	}
	for i, entity := range entities {
		var entityName string
		if err := json.Unmarshal(entity.get("name"), &entityName); err != nil {
			return nil, err
		}
		if table := output.Model.Table(entityName); table == nil || table.Partitions[0].Mode == model.LinkedMode {
			continue
		}
		settings := object{{"$type", text("CsvFormatSettings")}, {"columnHeaders", truth(withHeaders(entity.get("partitions")))}, {"delimiter", text(",")},
			{"quoteStyle", text("QuoteStyle.Csv")}, {"csvStyle", text("CsvStyle.QuoteAfterDelimiter")}, {"encoding", text("UTF-8")}}
		partitions := []object{}
		for _, partition := range output.Partitions[entityName] {
			format, err := json.Marshal(settings)
			if err != nil {
				return nil, err
			}
			partitions = append(partitions, object{{"name", text(partition.Name)}, {"refreshTime", moment(partition.ReadAt)}, {"location", text(partition.Location)}, {"fileFormatSettings", format}})
		}
		if err := entities[i].setAny("partitions", partitions); err != nil {
			return nil, err
		}
	}
	if err := file.setAny("entities", entities); err != nil {
		return nil, err
	}
	written, err := json.Marshal(file)
	if err != nil {
		return nil, err
	}
	var indented bytes.Buffer
	err = json.Indent(&indented, written, "", "  ")
	indented.WriteByte('\n')
	return indented.Bytes(), err
}

// Headered lists the entities whose files are to have a line of headers, since the partitions in the deployed file have.
func Headered(files map[string][]byte) (map[string]bool, error) {
	name, err := Find(files)
	if err != nil || path.Base(name) == queriesFile {
		return nil, err
	}
	var read struct {
		Entities []struct {
			Name       string          `json:"name"`
			Partitions json.RawMessage `json:"partitions"`
		} `json:"entities"`
	}
	err = json.Unmarshal(withoutMark(files[name]), &read)
	headered := map[string]bool{}
	for _, entity := range read.Entities {
		headered[entity.Name] = withHeaders(entity.Partitions)
	}
	return headered, err
}

// withHeaders tells whether the first of the partitions in a model.json has a line of headers.
func withHeaders(partitions json.RawMessage) bool {
	var read []struct {
		Format struct {
			ColumnHeaders bool `json:"columnHeaders"`
		} `json:"fileFormatSettings"`
	}
	return json.Unmarshal(partitions, &read) == nil && len(read) > 0 && read[0].Format.ColumnHeaders
}

// described is an entity of generation 2.
func described(table *model.Table) object {
	attributes := []object{}
	for _, column := range table.Columns {
		attributes = append(attributes, object{{"name", text(column.Name)}, {"dataType", text(attributeType(column))}})
	}
	entity := object{{"$type", text("LocalEntity")}, {"name", text(table.Name)}, {"description", text("")}}
	if err := entity.setAny("attributes", attributes); err != nil {
		panic("cdm: attributes are texts only: " + err.Error())
	}
	return entity
}

// attributeType is the dataType of a column.
func attributeType(column *model.Column) string {
	switch {
	case column.Moment == "datetimeoffset":
		return "dateTimeOffset"
	case column.Moment != "":
		return column.Moment
	case column.DataType == model.Binary:
		return "unclassified"
	}
	return string(column.DataType)
}

// State reads the state that a model.json describes; "" where it says none, or is none.
func State(content []byte) string {
	var read struct {
		Annotations []struct{ Name, Value string } `json:"annotations"`
	}
	if json.Unmarshal(content, &read) != nil {
		return ""
	}
	for _, annotation := range read.Annotations {
		if annotation.Name == stateAnnotation {
			return annotation.Value
		}
	}
	return ""
}

// Locations lists the locations of all partitions in a model.json; none where it is no such file.
func Locations(content []byte) []string {
	var read struct {
		Entities []struct {
			Partitions []struct{ Location string } `json:"partitions"`
		} `json:"entities"`
	}
	if json.Unmarshal(content, &read) != nil {
		return nil
	}
	var locations []string
	for _, entity := range read.Entities {
		for _, partition := range entity.Partitions {
			locations = append(locations, partition.Location)
		}
	}
	return locations
}

// object is a JSON object whose members keep their order: in a model.json "$type" comes first.
type object []member

type member struct {
	name  string
	value json.RawMessage
}

func (o object) get(name string) json.RawMessage {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return json.RawMessage("null")
}

func (o *object) set(name string, value json.RawMessage) {
	if i := slices.IndexFunc(*o, func(m member) bool { return m.name == name }); i >= 0 {
		(*o)[i].value = value
		return
	}
	*o = append(*o, member{name, value})
}

func (o *object) setAny(name string, value any) error {
	written, err := json.Marshal(value)
	if err == nil {
		o.set(name, written)
	}
	return err
}

// UnmarshalJSON reads an object.
func (o *object) UnmarshalJSON(content []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(content))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return errors.Join(err, errors.New("cdm: it is no object"))
	}
	*o = nil
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // a key is one
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		o.set(name, value)
	}
	return nil
}

// MarshalJSON writes it.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(text(m.name))
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func text(s string) json.RawMessage {
	written, err := json.Marshal(s)
	if err != nil {
		panic("cdm: a text has a JSON form: " + err.Error())
	}
	return written
}

func truth(b bool) json.RawMessage {
	if b {
		return json.RawMessage("true")
	}
	return json.RawMessage("false")
}

func moment(t time.Time) json.RawMessage { return text(t.UTC().Format("2006-01-02T15:04:05.0000000Z")) }
