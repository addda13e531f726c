package workspace

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

// Definitions hold no secrets: those of data sources come from the configuration. What a definition brings along is taken out
// before anything is stored; where that cannot be done safely, the deployment is refused.

// removeSecrets replaces the files that hold secrets of data sources, and says so.
func (d *Definition) removeSecrets(read *model.Model) ([]string, error) {
	var warnings []string
	replaced := map[string]string{} // connection strings, with and without their secrets
	for _, source := range read.DataSources {
		if clean := withoutSecrets(source.ConnectionString); clean != source.ConnectionString {
			replaced[source.ConnectionString] = clean
			warnings = append(warnings, "Data source '"+source.Name+"': the password in its connection string was not stored. "+secretHint)
		}
	}
	files := maps.Clone(d.Files)
	for name, content := range files {
		var cleaned []byte
		var credentials bool
		switch strings.ToLower(path.Ext(name)) {
		case ".tmdl":
			cleaned, credentials = cleanTMDL(content, replaced)
		case ".bim", ".json", ".tmsl", ".xmla":
			cleaned, credentials = cleanJSON(content, replaced)
		default:
			continue
		}
		files[name] = cleaned
		if credentials {
			warnings = append(warnings, "File '"+name+"': the credentials in it were not stored. "+secretHint)
		}
	}
	if len(warnings) == 0 {
		return nil, nil
	}
	cleaned := Definition{Format: d.Format, Files: files}
	again, err := cleaned.Model()
	if err != nil {
		return nil, err
	}
	for _, source := range again.DataSources {
		if withoutSecrets(source.ConnectionString) != source.ConnectionString {
			return nil, fault.New(fault.Invalid, codeSecret, "cannot deploy the model: the connection string of data source '%s' holds a password", source.Name).
				WithHint("Take it out of the model. %s", secretHint)
		}
	}
	d.Files = files
	return warnings, nil
}

const secretHint = "Put it into dataSources of the server's configuration."

// secretKeys are the keys of connection strings whose values are secret, without blanks.
var secretKeys = []string{"password", "pwd", "userpassword", "accountkey", "sharedaccesssignature", "accesstoken", "clientsecret", "secret", "apikey"}

// withoutSecrets removes the secret settings of a connection string. One without secrets stays as it is to the letter.
func withoutSecrets(connection string) string {
	var kept strings.Builder
	found := false
	for rest := connection; rest != ""; {
		setting := nextSetting(rest)
		rest = rest[len(setting):]
		name, value, _ := strings.Cut(strings.TrimSuffix(setting, ";"), "=")
		if slices.Contains(secretKeys, strings.ToLower(strings.Join(strings.Fields(name), ""))) && strings.TrimSpace(value) != "" {
			found = true
			continue
		}
		kept.WriteString(setting)
	}
	if !found {
		return connection
	}
	return kept.String()
}

// nextSetting returns the first name=value of a connection string with the semicolon behind it. Values may be quoted by ", ' or {}.
func nextSetting(text string) string {
	opens := false // only blanks since the first equals sign: a quote here opens a value
	named := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == ';':
			return text[:i+1]
		case c == '=' && !named:
			named, opens = true, true
		case c == ' ' || c == '\t':
		case opens && (c == '"' || c == '\'' || c == '{'):
			opens = false
			i = closingQuote(text, i)
		default:
			opens = false
		}
	}
	return text
}

// closingQuote returns where the quoted value that opens at i ends, or the end of the text. A doubled closing quote is part of the
// value.
func closingQuote(text string, i int) int {
	closing := text[i]
	if closing == '{' {
		closing = '}'
	}
	for i++; i < len(text); i++ {
		if text[i] != closing {
			continue
		}
		if i+1 == len(text) || text[i+1] != closing {
			break
		}
		i++
	}
	return i
}

// harmless are the keys of a structured data source's credential that are no secrets.
var harmless = []string{"authenticationkind", "kind", "path", "username", "encryptconnection", "privacysetting"}

// cleanJSON replaces connection strings and empties the secrets of credentials, and leaves every other byte as it is. Text that is
// no JSON is left alone: the caller looks at what remains.
func cleanJSON(content []byte, replaced map[string]string) (cleaned []byte, credentials bool) {
	type level struct {
		object, credential bool
		key                string
		awaitsKey          bool
	}
	offset := int64(0)
	text := bytes.TrimPrefix(content, []byte("\ufeff"))
	cleaned = append(cleaned, content[:len(content)-len(text)]...)
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var levels []level
	copied := int64(0)
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return append(cleaned, text[copied:]...), credentials
		}
		if err != nil {
			return content, false
		}
		end := decoder.InputOffset()
		start := offset
		offset = end
		var top *level
		if len(levels) > 0 {
			top = &levels[len(levels)-1]
		}
		switch token := token.(type) {
		case json.Delim:
			switch token {
			case '{', '[':
				inside := top != nil && (top.credential || top.object && strings.EqualFold(top.key, "credential"))
				if top != nil {
					top.awaitsKey = top.object
				}
				levels = append(levels, level{object: token == '{', awaitsKey: token == '{', credential: inside})
			default:
				levels = levels[:len(levels)-1]
			}
			continue
		case string:
			if top != nil && top.awaitsKey {
				top.key, top.awaitsKey = token, false
				continue
			}
			if top == nil {
				continue
			}
			value := token
			if clean, known := replaced[token]; known {
				value = clean
			}
			isSecret := top.object && strings.EqualFold(top.key, "password") ||
				top.credential && top.object && !slices.Contains(harmless, strings.ToLower(top.key))
			if isSecret && value != "" {
				value, credentials = "", true
			}
			if value != token {
				literal := start + int64(bytes.IndexByte(text[start:end], '"'))
				cleaned = append(cleaned, text[copied:literal]...)
				cleaned = append(cleaned, quoteJSON(value)...)
				copied = end
			}
		}
		if top != nil {
			top.awaitsKey = top.object
		}
	}
}

func quoteJSON(text string) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // text always encodes
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

var (
	dataSourceLine = regexp.MustCompile(`(?i)^(\s*)dataSource\s`)
	connectionLine = regexp.MustCompile(`(?i)^(\s*connectionString:\s*)(.*?)(\s*)$`)
	passwordLine   = regexp.MustCompile(`(?i)^(\s*password:\s*)(.*?)(\s*)$`)
	jsonSecret     = regexp.MustCompile(`("(\w+)"\s*:\s*)"((?:[^"\\]|\\.)+)"`)
)

// cleanTMDL does for the dataSource objects of a TMDL file what cleanJSON does.
func cleanTMDL(content []byte, replaced map[string]string) (cleaned []byte, credentials bool) {
	inside, credential, margin := false, false, ""
	lines := strings.SplitAfter(string(content), "\n")
	for i, line := range lines {
		if declared := dataSourceLine.FindStringSubmatch(line); declared != nil {
			inside, credential, margin = true, false, declared[1]
			continue
		}
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || !inside {
			continue
		}
		if indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; len(indent) <= len(margin) {
			inside = false
			continue
		}
		if name, _, found := strings.Cut(trimmed, "="); found && !strings.HasPrefix(trimmed, `"`) {
			credential = strings.EqualFold(strings.TrimSpace(name), "credential")
		}
		if found := connectionLine.FindStringSubmatch(line); found != nil {
			value := found[2]
			quoted := len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"'
			if quoted {
				value = strings.ReplaceAll(value[1:len(value)-1], `""`, `"`)
			}
			if clean, known := replaced[value]; known {
				if quoted {
					clean = `"` + strings.ReplaceAll(clean, `"`, `""`) + `"`
				}
				lines[i] = found[1] + clean + found[3]
			}
			continue
		}
		if found := passwordLine.FindStringSubmatch(line); found != nil && found[2] != "" {
			lines[i], credentials = found[1]+`""`+found[3], true
			continue
		}
		if credential {
			lines[i] = jsonSecret.ReplaceAllStringFunc(line, func(match string) string {
				parts := jsonSecret.FindStringSubmatch(match)
				if slices.Contains(harmless, strings.ToLower(parts[2])) {
					return match
				}
				credentials = true
				return parts[1] + `""`
			})
		}
	}
	return []byte(strings.Join(lines, "")), credentials
}
