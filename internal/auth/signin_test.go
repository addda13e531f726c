package auth

import (
	"context"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"freshet.dev/internal/fault"
)

const (
	appID    = "0a000000-0000-4000-8000-000000000001"
	publicID = "0a000000-0000-4000-8000-000000000002"
	powerBI  = "https://analysis.windows.net/powerbi/api"
)

func newSignIn(t *testing.T, now *time.Time) (*SignIn, *Local) {
	t.Helper()
	local := openAt(t, t.TempDir(), now)
	hash, err := bcrypt.GenerateFromPassword([]byte("s3cret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSignIn(local, []Client{{ID: strings.ToUpper(appID), Name: "etl", SecretHash: string(hash)}, {ID: publicID}}, func() time.Time { return *now })
	if err != nil {
		t.Fatal(err)
	}
	return s, local
}

func coded(t *testing.T, err error, code string) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Fatalf("%v, want code %s", err, code)
	}
}

// R3, C7: a service principal signs in with its secret, as with Entra.
func TestR3ClientCredentials(t *testing.T) {
	now := noon
	s, local := newSignIn(t, &now)
	granted, err := s.Application(appID, "s3cret", powerBI)
	if err != nil {
		t.Fatal(err)
	}
	caller, err := local.Verify(context.Background(), granted.AccessToken)
	if err != nil || caller.ID != appID || caller.Name != "etl" || !caller.App || caller.Owner || len(caller.Scopes) > 0 {
		t.Fatalf("%+v, %v", caller, err)
	}
	if granted.RefreshToken != "" || granted.IDToken != "" || granted.Lifetime != time.Hour {
		t.Fatalf("%+v", granted)
	}
	azure, err := s.Application(appID, "s3cret", "https://management.core.windows.net")
	if err != nil {
		t.Fatal(err)
	}
	_, err = local.Verify(context.Background(), azure.AccessToken)
	coded(t, err, codeBad) // it opens nothing of Power BI's
	for _, c := range []struct{ id, secret, audience, code string }{
		{appID, "S3cret", powerBI, CodeClient},
		{appID, "", powerBI, CodeClient},
		{publicID, "", powerBI, CodeClient}, // it has no secret: nobody signs in as it
		{"0a000000-0000-4000-8000-00000000000f", "s3cret", powerBI, CodeUnknownClient},
		{appID, "s3cret", "https://graph.microsoft.com", CodeScope},
		{appID, "s3cret", refreshUse, CodeScope},
		{appID, "s3cret", "", CodeScope},
	} {
		_, err := s.Application(c.id, c.secret, c.audience)
		coded(t, err, c.code)
		if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "S3cret") {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

func TestR3DeviceCode(t *testing.T) {
	now := noon
	s, local := newSignIn(t, &now)
	scopes := []string{"openid", "offline_access"}
	d, err := s.StartDevice(publicID, powerBI, scopes)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.DeviceToken(publicID, "", d.DeviceCode)
	coded(t, err, CodePending)
	_, err = s.DeviceToken(publicID, "", d.DeviceCode)
	coded(t, err, CodeSlowDown)
	_, err = s.DeviceToken(appID, "s3cret", d.DeviceCode)
	coded(t, err, CodeGrant) // another client's
	_, err = s.DeviceToken(appID, "S3cret", d.DeviceCode)
	coded(t, err, CodeClient) // a secret that is shown is checked
	ana := Claims{Subject: "ana@example.org", Name: "Ana", Scopes: AllScopes()}
	_, err = s.Decide("WRONGCODE", ana, true)
	coded(t, err, CodeGrant)
	info, err := s.Decide(" "+strings.ToLower(d.UserCode)+" ", ana, true)
	if err != nil || info.Client != publicID || info.Audience != powerBI {
		t.Fatalf("%+v, %v", info, err)
	}
	_, err = s.Decide(d.UserCode, Claims{Subject: "eve"}, true)
	coded(t, err, CodeGrant) // decided already
	granted, err := s.DeviceToken(publicID, "", d.DeviceCode)
	if err != nil {
		t.Fatal(err)
	}
	caller, err := local.Verify(context.Background(), granted.AccessToken)
	if err != nil || caller.ID != "ana@example.org" || caller.Name != "Ana" || caller.App || !caller.Allows(ScopeDatasetReadWrite) {
		t.Fatalf("%+v, %v", caller, err)
	}
	if strings.Count(granted.IDToken, ".") != 2 {
		t.Fatalf("no OpenID token: %+v", granted)
	}
	for _, none := range []string{granted.IDToken, granted.RefreshToken} {
		_, err = local.Verify(context.Background(), none)
		coded(t, err, codeBad)
	}
	_, err = s.DeviceToken(publicID, "", d.DeviceCode)
	coded(t, err, CodeGrant) // once

	now = now.Add(2 * time.Hour)
	again, err := s.Again(publicID, "", granted.RefreshToken, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	caller, err = local.Verify(context.Background(), again.AccessToken)
	if err != nil || caller.ID != "ana@example.org" || !caller.Allows(ScopeDatasetReadWrite) || again.RefreshToken == "" || again.Audience != powerBI {
		t.Fatalf("%+v, %v", caller, err)
	}
	_, err = s.Again(appID, "s3cret", granted.RefreshToken, "", nil)
	coded(t, err, CodeGrant)
	_, err = s.Again(appID, "S3cret", granted.RefreshToken, "", nil)
	coded(t, err, CodeClient)
	without, err := NewSignIn(local, []Client{{ID: appID}}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	_, err = without.Again(publicID, "", granted.RefreshToken, "", nil)
	coded(t, err, CodeUnknownClient) // the client was taken out of the configuration
	_, err = s.Again(publicID, "", again.AccessToken, "", nil)
	coded(t, err, CodeGrant)
	now = now.Add(25 * time.Hour)
	_, err = s.Again(publicID, "", again.RefreshToken, "", nil)
	coded(t, err, CodeGrant)
}

func TestR3DeviceCodeEnds(t *testing.T) {
	now := noon
	s, _ := newSignIn(t, &now)
	d, err := s.StartDevice(publicID, powerBI, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Decide(d.UserCode, Claims{}, false); err != nil {
		t.Fatal(err)
	}
	_, err = s.DeviceToken(publicID, "", d.DeviceCode)
	coded(t, err, CodeDeclined)
	if d, err = s.StartDevice(publicID, powerBI, nil); err != nil {
		t.Fatal(err)
	}
	now = now.Add(deviceLifetime + time.Second)
	_, err = s.Decide(d.UserCode, Claims{Subject: "ana"}, true)
	coded(t, err, CodeGrant)
	_, err = s.DeviceToken(publicID, "", d.DeviceCode)
	coded(t, err, CodeDeviceOver)
	for range mostDevices {
		if _, err := s.StartDevice(publicID, powerBI, nil); err != nil {
			t.Fatal(err)
		}
	}
	_, err = s.StartDevice(publicID, powerBI, nil)
	coded(t, err, CodeSlowDown)
	now = now.Add(3 * deviceLifetime)
	if _, err := s.StartDevice(publicID, powerBI, nil); err != nil {
		t.Fatal(err)
	}
	_, err = s.StartDevice("unknown", powerBI, nil)
	coded(t, err, CodeUnknownClient)
	_, err = s.StartDevice(publicID, "https://graph.microsoft.com", nil)
	coded(t, err, CodeScope)
}

func TestClientSettings(t *testing.T) {
	now := noon
	local := openAt(t, t.TempDir(), &now)
	for _, clients := range [][]Client{{{ID: ""}}, {{ID: "a"}, {ID: "A"}}, {{ID: "a", SecretHash: "s3cret"}}} {
		if _, err := NewSignIn(local, clients, time.Now); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%+v: %v", clients, err)
		}
	}
	hash, err := HashSecret("x")
	if err != nil || bcrypt.CompareHashAndPassword([]byte(hash), []byte("x")) != nil {
		t.Errorf("%s, %v", hash, err)
	}
	if _, err := HashSecret(strings.Repeat("x", 100)); err == nil {
		t.Error("a secret that bcrypt cannot hold whole was hashed")
	}
}
