// Package schedule is about refreshes at set times (R37): which moments a schedule names, through changes of the clocks, and the loop
// that starts them, one refresh a moment whatever happens to the process.
package schedule
