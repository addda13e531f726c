package session

import (
	"database/sql/driver"
	"fmt"
	"strings"

	"freshet.dev/internal/gateway/catalogue"
)

// version is SQL Server's that the gateway stands for: from 15 on clients ask for what the gateway has.
const version = "15.0.2000.5"

// surroundings is what statements find around them in a session.
type surroundings struct{ *Session }

// Value is the value of a variable or function of the session. Drivers and tools ask for them before anything else.
func (s surroundings) Value(name string, arguments []driver.Value) (driver.Value, bool) {
	if strings.HasPrefix(name, "@@") {
		return s.variable(name)
	}
	if strings.HasPrefix(name, "@") { // of the batch
		return s.variables[name], true
	}
	argument := func(i int) string {
		if i < len(arguments) && arguments[i] != nil {
			return fmt.Sprint(arguments[i])
		}
		return ""
	}
	switch name {
	case "DB_NAME":
		if len(arguments) == 0 { // others are found in the catalog
			return s.database.name, true
		}
		return nil, false
	case "SUSER_SNAME", "SUSER_NAME", "SYSTEM_USER", "ORIGINAL_LOGIN":
		return s.identity.Name, true
	case "USER_NAME", "SESSION_USER", "CURRENT_USER", "USER", "SCHEMA_NAME":
		return "dbo", len(arguments) == 0
	case "SUSER_ID", "USER_ID", "SCHEMA_ID":
		return int64(1), len(arguments) == 0
	case "HOST_NAME":
		return s.login.Host, true
	case "APP_NAME", "PROGRAM_NAME":
		return s.login.Application, true
	case "XACT_STATE":
		return min(s.open, 1), true
	case "SERVERPROPERTY":
		return serverProperty(strings.ToLower(argument(0))), true
	case "CONNECTIONPROPERTY":
		switch strings.ToLower(argument(0)) {
		case "net_transport":
			return "TCP", true
		case "protocol_type":
			return "TSQL", true
		case "auth_scheme":
			return "SQL", true
		}
		return nil, true
	case "SESSIONPROPERTY":
		return int64(1), true
	case "ERROR_MESSAGE", "ERROR_NUMBER", "ERROR_SEVERITY", "ERROR_STATE", "ERROR_LINE", "ERROR_PROCEDURE":
		return s.errorValue(name), true
	case "SCOPE_IDENTITY", "CONTEXT_INFO":
		return nil, true
	}
	return nil, false
}

func (s surroundings) variable(name string) (driver.Value, bool) {
	switch name {
	case "@@VERSION":
		return "Microsoft SQL Server's interface of Freshet - " + version, true // drivers look for the first word, and behind " - "
	case "@@MICROSOFTVERSION":
		return int64(15<<24 | 2000), true
	case "@@SERVERNAME", "@@SERVICENAME":
		return serverName, true
	case "@@SPID":
		return int64(s.login.Number), true
	case "@@TRANCOUNT":
		return s.open, true
	case "@@ROWCOUNT":
		return s.rows, true
	case "@@OPTIONS":
		return int64(5496), true // QUOTED_IDENTIFIER, and what ANSI wants
	case "@@MAX_PRECISION":
		return int64(38), true
	case "@@LANGUAGE":
		return "us_english", true
	case "@@TEXTSIZE":
		return int64(1<<31 - 1), true
	case "@@DATEFIRST":
		return int64(7), true
	case "@@LOCK_TIMEOUT", "@@FETCH_STATUS":
		return int64(-1), true
	case "@@MAX_CONNECTIONS":
		return int64(256), true
	case "@@ERROR":
		return int64(s.failed), true
	case "@@LANGID", "@@NESTLEVEL", "@@PROCID", "@@CURSOR_ROWS":
		return int64(0), true
	case "@@IDENTITY", "@@DBTS", "@@REMSERVER":
		return nil, true
	}
	return nil, false
}

const serverName = "Freshet"

func serverProperty(name string) driver.Value {
	switch name {
	case "productversion", "resourceversion":
		return version
	case "productmajorversion":
		return "15"
	case "productminorversion":
		return "0"
	case "productbuild":
		return "2000"
	case "productlevel":
		return "RTM"
	case "edition":
		return "Standard Edition (64-bit)"
	case "editionid":
		return int64(-1534726760)
	case "engineedition":
		return int64(2)
	case "servername", "machinename", "computernamephysicalnetbios":
		return serverName
	case "collation":
		return catalogue.Collation
	case "isclustered", "isintegratedsecurityonly", "ishadrenabled", "issingleuser", "isfulltextinstalled", "isxtpsupported", "ispolybaseinstalled", "islocaldb", "isadvancedanalyticsinstalled":
		return int64(0)
	}
	return nil
}
