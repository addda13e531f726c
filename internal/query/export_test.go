package query

import (
	"slices"
)

// Open lists the versions that an instance is open for.
func (e *Engine) Open() []int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	var numbers []int64
	for pin := range e.instances {
		numbers = append(numbers, pin.Number)
	}
	slices.Sort(numbers)
	return numbers
}

// Uses counts the queries that have ended.
func (e *Engine) Uses() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.uses
}
