package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"

	"freshet.dev/internal/fault"
)

// A key is one file, KEYID.pem (PKCS #8), below keys/ of the data directory. Its id begins with the time of its making, so that
// the last by name is the newest: that one signs, all of them verify.
const keySuffix = ".pem"

type signingKey struct {
	id        string
	algorithm jwa.SignatureAlgorithm
	private   crypto.Signer
}

func keyFolder(dataDir string) string { return filepath.Join(dataDir, "keys") }

// readKeys returns the keys of a folder and the id of the newest. A folder that does not exist has none.
func readKeys(folder string) (map[string]signingKey, string, error) {
	entries, err := os.ReadDir(folder) // sorted by name
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", keyFault("read the folder of signing keys", err)
	}
	keys := make(map[string]signingKey)
	newest := ""
	for _, entry := range entries {
		id, isKey := strings.CutSuffix(entry.Name(), keySuffix)
		if !isKey {
			continue
		}
		key, err := readKey(filepath.Join(folder, entry.Name()), id)
		if err != nil {
			return nil, "", err
		}
		keys[id], newest = key, id
	}
	return keys, newest, nil
}

func readKey(path, id string) (signingKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return signingKey{}, keyFault("read a signing key", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return signingKey{}, fault.New(fault.Denied, codeKeyExposed, "cannot use signing key %s: others than its owner may read it (mode %04o)", path, info.Mode().Perm()).
			WithHint("Delete it if anybody may have read it, else run 'chmod 600 %s'.", path)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return signingKey{}, keyFault("read a signing key", err)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return signingKey{}, keyFault("read signing key "+path, errors.New("it is not PEM"))
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return signingKey{}, keyFault("read signing key "+path, err)
	}
	switch private := parsed.(type) {
	case *ecdsa.PrivateKey:
		if private.Curve == elliptic.P256() {
			return signingKey{id: id, algorithm: jwa.ES256(), private: private}, nil
		}
	case *rsa.PrivateKey:
		if private.N.BitLen() >= 2048 {
			return signingKey{id: id, algorithm: jwa.RS256(), private: private}, nil
		}
	}
	return signingKey{}, keyFault("read signing key "+path, errors.New("it is neither P-256 nor RSA of 2048 bits or more"))
}

// createKey writes a new key durably: under a temporary name first, so that no reader sees half a key.
func createKey(folder string, now time.Time) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return keyFault("make the folder of signing keys", err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keyFault("make a signing key", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return keyFault("make a signing key", err)
	}
	var suffix [4]byte
	if _, err := rand.Read(suffix[:]); err != nil {
		return keyFault("make a signing key", err)
	}
	id := now.UTC().Format("20060102T150405.000000000Z") + "-" + hex.EncodeToString(suffix[:])
	file, err := os.CreateTemp(folder, ".new-*") // mode 0600
	if err != nil {
		return keyFault("write a signing key", err)
	}
	err = pem.Encode(file, &pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(folder, id+keySuffix))
	}
	if err != nil {
		return keyFault("write a signing key", errors.Join(err, os.Remove(file.Name())))
	}
	return syncFolder(folder)
}

func syncFolder(folder string) error {
	opened, err := os.Open(folder)
	if err != nil {
		return keyFault("write a signing key", err)
	}
	if err := errors.Join(opened.Sync(), opened.Close()); err != nil {
		return keyFault("write a signing key", err)
	}
	return nil
}

func keyFault(what string, err error) *fault.Error {
	return fault.New(fault.Internal, codeSigningKey, "cannot %s: %w", what, err)
}
