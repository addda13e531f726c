// Package powerbi is a client of the Power BI REST API for semantic model refreshes, and the wire types of that API.
//
// It works against Power BI itself (https://api.powerbi.com) and against Freshet, which speaks the same protocol; only the host
// differs. The methods whose comments begin with "Freshet:" use routes that Power BI does not have.
//
// The readers are lenient, because the service's documents and its answers differ among themselves: times have 0 to 7 digits after the
// second, with and without Z; a status may be spelt as Azure Analysis Services spells it (succeeded, inProgress, notStarted).
package powerbi
