//! Running the scripts of `examples/`.

use std::path::Path;

use crate::{Ran, Sandbox, run};

impl Sandbox {
    /// Runs `examples/<name>/run` on the module and the device of this sandbox. Its folder is `example` here, its token
    /// is called `name`, and its PIN is [`EXAMPLE_PIN`].
    ///
    /// # Panics
    /// Where the script fails.
    #[track_caller]
    pub fn example(&self, name: &str) -> Ran {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name).join("run");
        let mut command = self.command(script);
        command.arg(self.path("example")).env("AZIHSM_EXAMPLE_MODULE", self.module().path());
        run(&mut command).ok()
    }

    /// Writes `example/<label>.public`, in PEM: the public half of the key `label` as `pkcs11-tool` reads it from the
    /// token of the example `name`, for programs that know no token.
    ///
    /// # Panics
    /// Where the token has no such key.
    #[track_caller]
    pub fn example_public_key(&self, name: &str, label: &str) -> Vec<u8> {
        let (der, pem) = (format!("example/{label}.der"), format!("example/{label}.public"));
        self.tool(&["--token-label", name, "--read-object", "--type", "pubkey", "--label", label, "-o", &der]).ok();
        self.openssl_agrees(&["pkey", "-pubin", "-inform", "DER", "-in", &der, "-out", &pem]);
        self.read(&pem)
    }
}

/// The user's PIN of every example's token.
pub const EXAMPLE_PIN: &str = "user-pin-1234";
