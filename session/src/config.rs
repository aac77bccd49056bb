//! Configuration: one JSON file and a few environment variables (design 7).

use mechanisms::key::Policy;

/// The configuration of the library.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Which keys are allowed.
    pub policy: Policy,
}
