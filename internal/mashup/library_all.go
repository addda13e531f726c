package mashup

// families lists the whole library. A family is a function that returns its entries, so that nothing is built before it is asked for.
func families() []func() family {
	return []func() family{
		numberFunctions,
		textFunctions,
		splitFunctions,
		clockFunctions,
		listFunctions,
		recordFunctions,
		valueFunctions,
		typeFunctions,
		binaryFunctions,
		tables,
		tableMakers,
		tableRows,
		tableMatching,
		sources,
		dataflowFunctions,
		uriFunctions,
	}
}
