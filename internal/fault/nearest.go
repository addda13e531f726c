package fault

import (
	"strings"
	"unicode/utf8"
)

// Nearest returns the one of the known words that somebody who wrote word most likely meant, or "" when none is near. Letter case
// counts for nothing. It is for hints: "Did you mean 'maxParallelism'?".
func Nearest(word string, known []string) string {
	length := utf8.RuneCountInString(word)
	best, least := "", min(1+length/3, length-1) // never all of its letters
	for _, candidate := range known {
		if distance := distance(strings.ToLower(word), strings.ToLower(candidate), least); distance <= least && (best == "" || distance < least) {
			best, least = candidate, distance
		}
	}
	return best
}

// distance counts the letters to insert, remove, replace or swap with their neighbour to get from a to b; limit+1 stands for more.
func distance(a, b string, limit int) int {
	from, to := []rune(a), []rune(b)
	if len(from)-len(to) > limit || len(to)-len(from) > limit {
		return limit + 1
	}
	rows := make([][]int, len(from)+1)
	for i := range rows {
		rows[i] = make([]int, len(to)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(from); i++ {
		for j := 1; j <= len(to); j++ {
			replaced := rows[i-1][j-1]
			if from[i-1] != to[j-1] {
				replaced++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replaced)
			if i > 1 && j > 1 && from[i-1] == to[j-2] && from[i-2] == to[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(from)][len(to)]
}
