package fault

// The codes that errors of more than one room have. The others stand in the room that makes them; doc/errors.md lists all of them, from comments of
// the form that the doc of package catalogue tells.
const (
	// Invalid, Power BI's: the request is wrong; its text says in what.
	// Do: correct what the text names and send the request again.
	CodeInvalidRequest = "InvalidRequest"

	// NotFound, Power BI's: there is no such workspace, model or refresh, or the caller may not see it.
	// Do: check the id (freshet models, freshet workspaces, freshet refreshes), and whom the token is for.
	CodeEntityNotFound = "PowerBIEntityNotFound"

	// Denied, Power BI's: the caller is known and may not do this.
	// Do: ask an admin of the workspace for the role that the text names, or take a token with the scope.
	CodeNotAuthorized = "PowerBINotAuthorizedException"

	// Conflict: the model was deployed again while something worked on its former definition.
	// Do: send the request again; it then works on the new definition.
	CodeRedeployed = "ModelRedeployed"

	// Invalid: the model breaks a rule that the text names, with the object that breaks it.
	// Do: correct the definition and deploy it again.
	CodeModelInvalid = "ModelInvalid"

	// Invalid: the model reads from a kind of source that Freshet does not know.
	// Do: read from files or PostgreSQL, or leave the table out of the refresh by naming objects.
	CodeSourceUnsupported = "DataSourceNotSupported"

	// Invalid or Internal: the configuration cannot be used.
	// Do: correct the line that the text names; freshet.example.yaml documents every key.
	CodeConfiguration = "ConfigurationInvalid"

	// Invalid or NotFound: the configuration has no capacity of that name.
	// Do: name one that the text lists, or add it to capacities.
	CodeCapacityUnknown = "CapacityUnknown"

	// Unavailable: a file or folder of the data directory could not be read or written.
	// Do: see that the disk of the data directory is there and writable.
	CodeStorage = "StorageFailed"

	// Unavailable: the disk of the data directory, or of the folder to spill to, is full; the text says which.
	// Do: free space there, or let fewer partitions load at once (maxParallelism).
	CodeDiskFull = "DiskFull"

	// Internal: a file of the data directory is missing, or not what was written.
	// Do: refresh what the text names with type full, or restore the file from a backup.
	CodeDamaged = "DataFileDamaged"

	// Unavailable: the server is stopping.
	// Do: send the request again when it is up; unfinished refreshes go on by themselves then.
	CodeClosing = "ServerClosing"

	// Internal or Failure: a defect of Freshet.
	// Do: look for the RequestId in the server's log, which has the whole error, and report it.
	CodeInternal = "InternalError"
)
