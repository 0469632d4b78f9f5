//! Client of the distribution protocol: resolve, fetch, authenticate.
