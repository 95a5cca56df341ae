package command

import (
	"fmt"

	"crypto/x509"

	"extdisco/internal/config"
)

// rootCAs returns the authorities of the system and those in the file that the flag
// --ca-file names; nil, which means those of the system, without one.
func rootCAs(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pool, err := config.ReadRootCAs(file)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	return pool, nil
}
