package refresh

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"freshet.dev/internal/mashup"
)

// Preview is what a refresh would do if it began now (F8).
type Preview struct {
	Request  Request
	Steps    []PreviewStep // one for each partition
	Messages []Message
}

// PreviewStep is what would happen to one partition.
type PreviewStep struct {
	Step
	New   bool                       // the partition is not there yet
	Polls bool                       // after its polling expression was evaluated
	Poll  *mashup.ExplainedStatement // what that asks of a source; nil: nothing
	Plan  *mashup.Explanation        // of a load: what is asked of the source
	Err   error                      // why its source or its polling expression cannot be evaluated
}

// Preview tells what a refresh would do to each partition, why, and what it would ask of the sources, whose rows are not read. Nothing is
// changed, and an unfinished refresh is not in the way. Errors are those of Submit.
func (e *Engine) Preview(ctx context.Context, wish Submission) (Preview, error) {
	wish = wish.triggered()
	definition, err := e.options.Models.RefreshDefinition(ctx, wish.Model)
	if err != nil {
		return Preview{}, err
	}
	now := e.options.Now().UTC()
	request, err := e.request(ctx, definition, wish, now)
	if err != nil {
		return Preview{}, err
	}
	version, err := e.options.Models.Version(ctx, definition.ID, 0)
	if err != nil {
		return Preview{}, err
	}
	steps, messages, err := plan(definition, version, request, now)
	if err != nil {
		return Preview{}, err
	}
	preview := Preview{Request: request, Messages: append(slices.Clone(wish.Warnings), messages...)}
	for i, step := range steps {
		if step.Kind == PollStep {
			continue
		}
		preview.Steps = append(preview.Steps, PreviewStep{
			Step: step, New: version.Part(step.Table, step.Partition) == nil, Polls: i > 0 && steps[i-1].Kind == PollStep})
	}
	reading := e.reading(definition.Model, e.current(definition.ID))
	defer reading.inputs.close()
	var group errgroup.Group
	group.SetLimit(request.MaxParallelism)
	lost := make([][]Message, len(preview.Steps)) // by step
	looked := map[string]bool{}
	for i := range preview.Steps {
		step := &preview.Steps[i]
		if step.Kind != LoadStep && !step.Polls || step.State == StepFailed {
			continue
		}
		first := step.Kind == LoadStep && step.Start != "" && !looked[step.Table]
		looked[step.Table] = looked[step.Table] || first
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			table := definition.Model.Table(step.Table)
			partition := partitionOf(table, step.Step)
			if step.Polls {
				step.Poll, step.Err = reading.polls(ctx, table, partition)
			}
			if step.Err == nil && step.Kind == LoadStep {
				step.Plan, step.Err = reading.explain(ctx, table, partition)
			}
			if step.Err == nil && first {
				lost[i], step.Err = reading.rangeLost(ctx, table, partition, step.Plan)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Preview{}, err
	}
	for _, messages := range lost {
		preview.Messages = append(preview.Messages, messages...)
	}
	return preview, nil
}
