package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/powerbi"
)

func (c *call) verify() (reply, error) {
	found, err := c.Engine.Verify(c.r.Context(), c.item.ID)
	if err != nil {
		return reply{}, err
	}
	answer := powerbi.Verification{Files: found.Files, Bytes: found.Bytes, Damaged: []powerbi.DamagedFile{}}
	for _, damage := range found.Damaged {
		c.Logger.ErrorContext(c.r.Context(), "a data file is damaged", "model", c.item.Name, "table", damage.Table, "partition", damage.Partition, "error", damage.Err)
		answer.Damaged = append(answer.Damaged, asDamagedFile(damage))
	}
	return reply{http.StatusOK, answer}, nil
}

func asDamagedFile(damage refresh.Damage) powerbi.DamagedFile {
	file := powerbi.DamagedFile{
		Table: damage.Table, Partition: damage.Partition, File: damage.File.ID, Versions: damage.Versions, Current: damage.Current,
		Advice: "Refresh the partition with type full, or restore the file from a backup. Until then queries of the model are refused.",
	}
	if damage.File.Start != "" { // a policy's refresh may leave it alone
		file.Advice = strings.Replace(file.Advice, "type full", "type full and applyRefreshPolicy false", 1)
	}
	if !damage.Current {
		file.Advice = fmt.Sprintf("Nothing needs to be done, unless you want to roll back to version %d: then restore the file from a backup.", damage.Versions[0])
	}
	var known *fault.Error
	if errors.As(damage.Err, &known) {
		file.Problem = known.Message
	}
	return file
}
