package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"freshet.dev/internal/fault"
)

// Internal: the private certificate authority of the data directory cannot be used.
// Do: delete the folder tls of the data directory; a new one is made, which clients have to trust again.
const codeTLS = "CertificateInvalid"

// StandsFor lists the hosts of Microsoft's that a server stands for towards clients which know no others: Power BI's interface and the sign-in.
func StandsFor() []string {
	return []string{"api.powerbi.com", "login.microsoftonline.com", "login.windows.net", "login.microsoft.com"}
}

const (
	tlsFolder = "tls"
	caFile    = "ca.pem"
	caKeyFile = "ca-key.pem"
	caLife    = 10 * 365 * 24 * time.Hour
	leafLife  = 90 * 24 * time.Hour
	leafRenew = 30 * 24 * time.Hour // before its end
)

// authority is the private certificate authority of a data directory. Its certificate is constrained to the hosts that the server stands for and
// to loopback, so that even with its key nobody can pass for another host before a client that trusts it.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	hosts       []string
	now         func() time.Time

	mu   sync.Mutex
	leaf *tls.Certificate
}

// openAuthority reads the authority of a data directory, or makes one: at the first use, and when hosts have come that its certificate does
// not allow.
func openAuthority(dataDir string, hosts []string, now func() time.Time) (*authority, error) {
	folder := filepath.Join(dataDir, tlsFolder)
	a := &authority{hosts: slices.Concat(StandsFor(), []string{"localhost"}, hosts), now: now}
	err := a.read(folder)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !a.allows() {
		err = a.create(folder)
	}
	if err != nil {
		return nil, fault.New(fault.Internal, codeTLS, "cannot open the certificate authority in %s: %w", folder, err).
			WithHint("Delete that folder to have a new one made; clients then have to trust the new ca.pem.")
	}
	return a, nil
}

func (a *authority) read(folder string) error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, caFile), filepath.Join(folder, caKeyFile))
	if err != nil {
		return err
	}
	key, isECDSA := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !isECDSA {
		return errors.New("its key is none that Freshet made")
	}
	a.certificate, a.key = pair.Leaf, key
	return nil
}

func (a *authority) allows() bool {
	for _, host := range a.hosts {
		if !slices.Contains(a.certificate.PermittedDNSDomains, host) {
			return false
		}
	}
	return a.now().Before(a.certificate.NotAfter.Add(-leafLife))
}

func (a *authority) create(folder string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := a.now()
	template := &x509.Certificate{
		SerialNumber: serial(now), Subject: pkix.Name{CommonName: "Freshet " + now.UTC().Format(time.DateOnly), Organization: []string{"Freshet, private to this machine"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(caLife), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage:                    x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: a.hosts,
		PermittedIPRanges: []*net.IPNet{{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}, {IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)}},
	}
	content, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if a.certificate, err = x509.ParseCertificate(content); err != nil {
		return err
	}
	a.key = key
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.MkdirAll(folder, 0o700),
		os.WriteFile(filepath.Join(folder, caKeyFile), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600),
		os.WriteFile(filepath.Join(folder, caFile), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: content}), 0o644),
	)
}

// serial differs from one certificate to the next.
func serial(now time.Time) *big.Int { return big.NewInt(now.UnixNano()) }

// certify returns the certificate of the server itself. It is made anew before it ends, and never stored.
func (a *authority) certify(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if a.leaf != nil && now.Before(a.leaf.Leaf.NotAfter.Add(-leafRenew)) {
		return a.leaf, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(now), Subject: pkix.Name{CommonName: "Freshet"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: a.hosts, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	content, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(content)
	if err != nil {
		return nil, err
	}
	a.leaf = &tls.Certificate{Certificate: [][]byte{content, a.certificate.Raw}, PrivateKey: key, Leaf: leaf}
	return a.leaf, nil
}

// certificateFiles are a certificate of the configuration and its key. Whoever renews them writes over them: they are read again when they have changed.
type certificateFiles struct {
	certificate, key string
	logger           *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	changed [2]time.Time // when the files of pair were
	problem string       // of reading newer ones, as the log has it
}

// present returns the certificate of the files as they are; while those cannot be used, such as between the writing of the one and of the other, the one before.
func (f *certificateFiles) present(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed, err := f.times()
	if err == nil && f.pair != nil && changed == f.changed {
		return f.pair, nil
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(f.certificate, f.key); err == nil {
			f.pair, f.changed, f.problem = &pair, changed, ""
			return f.pair, nil
		}
	}
	if f.pair == nil {
		return nil, err
	}
	if err.Error() != f.problem {
		f.problem = err.Error()
		f.logger.Warn("the files of the TLS certificate have changed and cannot be used; the one before is used on", "error", err)
	}
	return f.pair, nil
}

// times are when the files were changed.
func (f *certificateFiles) times() (changed [2]time.Time, err error) {
	for i, path := range []string{f.certificate, f.key} {
		info, err := os.Stat(path)
		if err != nil {
			return changed, err
		}
		changed[i] = info.ModTime()
	}
	return changed, nil
}

// certificate gives the certificate of the doors with TLS: that of the configuration, or one of the private authority.
func (s *Server) certificate() (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	if s.config.TLS.Certificate != "" {
		files := &certificateFiles{certificate: s.config.TLS.Certificate, key: s.config.TLS.Key, logger: s.logger}
		if _, err := files.present(nil); err != nil {
			return nil, fault.New(fault.Invalid, CodeConfig, "cannot use tls.certificate and tls.key: %w", err)
		}
		return files.present, nil
	}
	private, err := openAuthority(s.config.Data, s.config.Hosts, time.Now)
	if err != nil {
		return nil, err
	}
	s.address.CA = filepath.Join(s.config.Data, tlsFolder, caFile)
	return private.certify, nil
}

// listenTLS opens the second door, with the certificate of the configuration or one of the private authority.
func (s *Server) listenTLS() error {
	if s.config.TLSListen == "" {
		return nil
	}
	settings := &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		// There are clients that take the first piece of an answer for the whole, such as a token: pieces are not made smaller than need be.
		DynamicRecordSizingDisabled: true,
	}
	var err error
	if settings.GetCertificate, err = s.certificate(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.config.TLSListen)
	if err != nil {
		return cannotListen(s.config.TLSListen, "--tls-listen", err)
	}
	s.http.TLSConfig, s.tls = settings, s.limited(listener)
	s.later(closing(listener))
	s.address.TLS = reachable(listener)
	return nil
}
