package servertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"time"
)

// Certificates are files in PEM, made anew.
type Certificates struct {
	// CA is the authority that has signed the others.
	CA string
	// ServerCert is for 127.0.0.1 and localhost, with its key in ServerKey and
	// both in ServerBoth.
	ServerCert, ServerKey, ServerBoth string
	// ClientCert is a client's whose name is ClientName, with its key.
	ClientCert, ClientKey string
}

// ClientName is the common name of the client's certificate.
const ClientName = "processor"

// NewCertificates makes certificates in a folder.
func (f *Folder) NewCertificates() (*Certificates, error) {
	c := &Certificates{
		CA:         f.File("ca.pem"),
		ServerCert: f.File("server.pem"), ServerKey: f.File("server.key"), ServerBoth: f.File("server-both.pem"),
		ClientCert: f.File("client.pem"), ClientKey: f.File("client.key"),
	}
	ca, err := issue(nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority of the tests"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
	if err != nil {
		return nil, err
	}
	server, err := issue(ca, &x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	})
	if err != nil {
		return nil, err
	}
	client, err := issue(ca, &x509.Certificate{
		Subject: pkix.Name{CommonName: ClientName}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, err
	}
	for name, text := range map[string][]byte{
		c.CA: ca.cert, c.ServerCert: server.cert, c.ServerKey: server.secret, c.ServerBoth: slices.Concat(server.secret, server.cert),
		c.ClientCert: client.cert, c.ClientKey: client.secret,
	} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// issued is a certificate and its key.
type issued struct {
	parsed       *x509.Certificate
	key          *ecdsa.PrivateKey
	cert, secret []byte // PEM
}

// issue makes a certificate that an authority signs, or it itself without one.
func issue(authority *issued, wanted *x509.Certificate) (*issued, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	i := &issued{key: key}
	if authority == nil {
		authority = &issued{parsed: wanted, key: key}
	}
	if wanted.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		return nil, err
	}
	wanted.NotBefore = time.Now().Add(-time.Hour)
	wanted.NotAfter = wanted.NotBefore.Add(48 * time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, wanted, authority.parsed, key.Public(), authority.key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	if i.parsed, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	i.cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	i.secret = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	return i, nil
}
