// Package powerbi is a client of the Power BI REST API for refreshes of semantic models and dataflows and what belongs to them, and the wire types of
// that API.
//
// It works against Power BI itself (https://api.powerbi.com) and against Freshet, which speaks the same protocol; only the host
// differs. The methods whose comments begin with "Freshet:" use routes that Power BI does not have.
//
// # Start here
//
// A [Client] needs a host and a function that gives tokens. The package freshet.dev/powerbi/entra makes one for service principals, managed
// identities, people and the Azure CLI:
//
//	credential, err := entra.New(entra.ServicePrincipal, entra.Options{Tenant: tenant, ClientID: id, ClientSecret: secret})
//	…
//	client := credential.Client(powerbi.DefaultHost)
//
// Then a refresh is three steps: find the model ([Client.Groups], [Client.Datasets]), start it ([Client.Refresh]), follow it to its end ([Client.Wait]):
//
//	ref := powerbi.Ref{GroupID: group, DatasetID: dataset}
//	accepted, err := client.Refresh(ctx, ref, powerbi.RefreshRequest{Type: "full"}, powerbi.RefreshOptions{})
//	…
//	result, err := client.Wait(ctx, ref, accepted.RequestID, powerbi.WaitOptions{Since: accepted.At})
//	…
//	return result.Err() // nil when it has completed
//
// # What goes wrong
//
// An answer that is no success is an [Error], with the service's code, its message, and the RequestId that support asks for. A call that got no answer
// is a [TransportError]. What may pass is tried again by itself, as late as the service says (see [Client]); a [DeadlineError] tells that the context ends before
// that. A refresh is started once or not at all: when even the history does not tell whether it was, that is an [UnsettledError] (see [Client.Refresh]).
//
// # Leniency
//
// The readers are lenient, because the service's documents and its answers differ among themselves: times have 0 to 7 digits after the
// second, with and without Z; a status may be spelt as Azure Analysis Services spells it (succeeded, inProgress, notStarted).
package powerbi
