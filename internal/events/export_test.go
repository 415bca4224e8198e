package events

// The statements, for the tests of their plans.
const (
	EventWindow  = eventWindow
	FeedAt       = feedAt
	EventsNumber = eventsNumber
	FeedsMoved   = feedsMoved
)

// WithLimits returns the repository with another size of a page and another number of
// events that a call with a filter looks at.
func (r *Repository) WithLimits(page, scan int) *Repository {
	r.page, r.scan = page, scan
	return r
}
