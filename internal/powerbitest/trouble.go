package powerbitest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// Trouble has faults of all kinds come over the service's requests, as random says, and over the tokens that it returns: they are good for an hour, and now
// and then one is revoked before. others, called at some of the requests before they are handled, is what somebody else does meanwhile.
func (s *Service) Trouble(random *rand.Rand, others func()) (token func(context.Context) (string, error), refused func(string)) {
	chance := func(percent int) bool { return random.IntN(100) < percent }
	within := func(limit time.Duration) time.Duration { return time.Duration(random.Int64N(int64(limit))) }
	issued, expires := 0, time.Time{}
	token = func(context.Context) (string, error) {
		if chance(3) {
			return "", errors.New("the sign-in host does not answer")
		}
		if !s.now().Before(expires) {
			issued, expires = issued+1, s.now().Add(time.Hour)
		}
		return fmt.Sprint(issued), nil
	}
	refused = func(string) { expires = time.Time{} }
	s.Tokens = func(token string) bool { return token == fmt.Sprint(issued) && s.now().Before(expires) }

	bad := 5 + random.IntN(35) // per cent of the requests
	burst := 0
	s.Fault = func(r *http.Request) Fault {
		if chance(2) {
			others()
		}
		if burst > 0 {
			burst--
			return Fault{Status: []int{500, 502, 503, 504}[random.IntN(4)]}
		}
		if !chance(bad) && !(r.Method == http.MethodPost && chance(50)) {
			return Fault{}
		}
		switch random.IntN(12) {
		case 0:
			return Fault{Status: 429, RetryAfter: "1"}
		case 1:
			return Fault{Status: 429, RetryAfter: "3392"}
		case 2:
			return Fault{Status: 429, RetryAfter: s.now().Add(within(10 * time.Minute)).UTC().Format(http.TimeFormat)}
		case 3:
			burst = 1 + random.IntN(4)
			return Fault{Status: 503}
		case 4:
			return Fault{Unreachable: true}
		case 5:
			return Fault{ResetBefore: true}
		case 6:
			return Fault{ResetAfter: true}
		case 7:
			return Fault{StatusAfter: []int{500, 502, 504}[random.IntN(3)]}
		case 8:
			return Fault{Behind: within(2 * time.Minute)}
		case 9:
			return Fault{Miss: true}
		case 10:
			return Fault{Word: []string{"Hibernating", "Unknown", "", "succeededPartially"}[random.IntN(4)]}
		}
		expires = time.Time{} // the token is revoked
		return Fault{Cut: r.Method == http.MethodGet}
	}
	return token, refused
}
