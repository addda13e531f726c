package powerbitest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// capacityID is the one capacity; live ids of capacities are commonly in capital letters.
const capacityID = "0F084DF7-C13D-451B-AF5F-ED0C466403B2"

// manage answers what is about workspaces and models themselves (contract, sections 2.2 and 2.6). parts are the path behind /v1.0/myorg, in a
// workspace what stands behind it.
func (s *Service) manage(w http.ResponseWriter, r *http.Request, group *Group, parts []string) {
	body := map[string]any{}
	if r.Method != http.MethodGet {
		_ = json.NewDecoder(r.Body).Decode(&body)
	}
	text := func(name string) string {
		value, _ := body[name].(string)
		return value
	}
	switch what := strings.Join(parts, "/"); {
	case what == "capacities":
		answer(w, http.StatusOK, list("capacities", []any{map[string]any{"id": capacityID, "displayName": "Nightly", "admins": []any{"john@contoso.com"},
			"sku": "A1", "state": "Active", "region": "West Central US", "capacityUserAccessRight": "Admin"}}))
	case what == "groups" && r.Method == http.MethodPost:
		made := &Group{ID: s.id(), Name: text("name")}
		s.Groups = append(s.Groups, made)
		answer(w, http.StatusOK, shown(made))
	case what == "AssignToCapacity" && r.Method == http.MethodPost:
		if id := text("capacityId"); !strings.EqualFold(id, capacityID) && strings.Trim(id, "0-") != "" {
			refuse(w, http.StatusNotFound, "PowerBIEntityNotFound", "")
			return
		}
		w.WriteHeader(http.StatusOK)
	case what == "users" && r.Method == http.MethodGet:
		var values []any
		for _, user := range group.users {
			values = append(values, user)
		}
		answer(w, http.StatusOK, list("users", values))
	case what == "users":
		s.putUser(w, r, group, body)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// putUser adds somebody, or changes who is there. That a PUT of somebody who is not there is a 404 is inferred from the reference, which has POST for
// them.
func (s *Service) putUser(w http.ResponseWriter, r *http.Request, group *Group, user map[string]any) {
	for i, known := range group.users {
		if known["identifier"] != user["identifier"] {
			continue
		}
		if user["groupUserAccessRight"] == "None" {
			group.users = append(group.users[:i], group.users[i+1:]...)
		} else {
			group.users[i] = user
		}
		w.WriteHeader(http.StatusOK)
		return
	}
	if r.Method == http.MethodPut {
		refuse(w, http.StatusNotFound, "PowerBIEntityNotFound", "")
		return
	}
	group.users = append(group.users, user)
	w.WriteHeader(http.StatusOK)
}

// parameters answers what is about a model's parameters, of which there is one.
func (s *Service) parameters(w http.ResponseWriter, r *http.Request, m Model) {
	if s.values == nil {
		s.values = map[string]string{}
	}
	if r.Method == http.MethodGet {
		answer(w, http.StatusOK, list("parameters", []any{map[string]any{"name": "Folder", "type": "Text", "isRequired": true, "currentValue": s.values[m.ID], "suggestedValues": []any{}}}))
		return
	}
	var change struct {
		UpdateDetails []struct{ Name, NewValue string }
	}
	if err := json.NewDecoder(r.Body).Decode(&change); err != nil || len(change.UpdateDetails) != 1 || change.UpdateDetails[0].Name != "Folder" {
		refuse(w, http.StatusBadRequest, "InvalidRequest", "Invalid parameters")
		return
	}
	s.values[m.ID] = change.UpdateDetails[0].NewValue
	w.WriteHeader(http.StatusOK)
}

// delete takes a model away.
func (s *Service) delete(w http.ResponseWriter, m Model) {
	for _, group := range s.Groups {
		for i, other := range group.Models {
			if other.ID == m.ID {
				group.Models = append(group.Models[:i], group.Models[i+1:]...)
				break
			}
		}
	}
	w.WriteHeader(http.StatusOK)
}
