//! Certificate authorities: this machine's, and those of files.

use std::path::Path;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::{Error, chain, read};

/// Certificate authorities that are trusted; none at first.
#[derive(Debug)]
pub struct Authorities(RootCertStore);

impl Default for Authorities {
    fn default() -> Self {
        Self(RootCertStore::empty())
    }
}

impl Authorities {
    /// Those that this machine trusts, and what could not be read of them.
    pub fn of_this_machine() -> (Self, Vec<String>) {
        let native = rustls_native_certs::load_native_certs();
        let mut trusted = Self::default();
        trusted.0.add_parsable_certificates(native.certs);
        let unread = native.errors.iter().map(ToString::to_string).collect();
        (trusted, unread)
    }

    /// Adds those of a PEM file; gives how many there are.
    ///
    /// # Errors
    /// A file that cannot be read, or holds a certificate that cannot be used.
    pub fn add(&mut self, path: &Path) -> Result<usize, Error> {
        let certificates = chain(path, &read(path)?)?;
        let count = certificates.len();
        for certificate in certificates {
            self.0.add(certificate).map_err(|error| Error::new(path, error))?;
        }
        Ok(count)
    }

    /// Adds what can be used of a PEM text; one that cannot does not spoil the others. Gives how many were added.
    pub fn add_usable(&mut self, text: &[u8]) -> usize {
        let certificates = CertificateDer::pem_slice_iter(text).flatten();
        self.0.add_parsable_certificates(certificates).0
    }

    pub(crate) fn into_store(self) -> RootCertStore {
        self.0
    }
}
