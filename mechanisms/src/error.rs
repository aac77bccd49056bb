//! The one error type of everything above the HSM: a `CKR_` code and the cause, kept for the log.

use std::fmt;

use transport::ddi::Status;

/// What fallible functions here and above return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($variant:ident = $code:ident),* $(,)?) => {
        /// The standard's return values that this library gives (PKCS#11 v3.2, 5.1), except `CKR_OK`.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "named as in the standard")]
        pub enum Code { $($variant),* }

        impl Code {
            /// The number that crosses the C boundary.
            pub const fn rv(self) -> cryptoki_sys::CK_RV {
                match self { $(Self::$variant => cryptoki_sys::$code),* }
            }

            /// The standard's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($code)),* }
            }
        }
    };
}

codes! {
    ActionProhibited = CKR_ACTION_PROHIBITED,
    AeadDecryptFailed = CKR_AEAD_DECRYPT_FAILED,
    ArgumentsBad = CKR_ARGUMENTS_BAD,
    AttributeReadOnly = CKR_ATTRIBUTE_READ_ONLY,
    AttributeSensitive = CKR_ATTRIBUTE_SENSITIVE,
    AttributeTypeInvalid = CKR_ATTRIBUTE_TYPE_INVALID,
    AttributeValueInvalid = CKR_ATTRIBUTE_VALUE_INVALID,
    BufferTooSmall = CKR_BUFFER_TOO_SMALL,
    CantLock = CKR_CANT_LOCK,
    CryptokiAlreadyInitialized = CKR_CRYPTOKI_ALREADY_INITIALIZED,
    CryptokiNotInitialized = CKR_CRYPTOKI_NOT_INITIALIZED,
    CurveNotSupported = CKR_CURVE_NOT_SUPPORTED,
    DataInvalid = CKR_DATA_INVALID,
    DataLenRange = CKR_DATA_LEN_RANGE,
    DeviceError = CKR_DEVICE_ERROR,
    DeviceMemory = CKR_DEVICE_MEMORY,
    DeviceRemoved = CKR_DEVICE_REMOVED,
    DomainParamsInvalid = CKR_DOMAIN_PARAMS_INVALID,
    EncryptedDataInvalid = CKR_ENCRYPTED_DATA_INVALID,
    EncryptedDataLenRange = CKR_ENCRYPTED_DATA_LEN_RANGE,
    ExceededMaxIterations = CKR_EXCEEDED_MAX_ITERATIONS,
    FunctionCanceled = CKR_FUNCTION_CANCELED,
    FunctionFailed = CKR_FUNCTION_FAILED,
    FunctionNotParallel = CKR_FUNCTION_NOT_PARALLEL,
    FunctionNotSupported = CKR_FUNCTION_NOT_SUPPORTED,
    GeneralError = CKR_GENERAL_ERROR,
    HostMemory = CKR_HOST_MEMORY,
    KeyChanged = CKR_KEY_CHANGED,
    KeyExhausted = CKR_KEY_EXHAUSTED,
    KeyFunctionNotPermitted = CKR_KEY_FUNCTION_NOT_PERMITTED,
    KeyHandleInvalid = CKR_KEY_HANDLE_INVALID,
    KeyIndigestible = CKR_KEY_INDIGESTIBLE,
    KeyNeeded = CKR_KEY_NEEDED,
    KeyNotNeeded = CKR_KEY_NOT_NEEDED,
    KeyNotWrappable = CKR_KEY_NOT_WRAPPABLE,
    KeySizeRange = CKR_KEY_SIZE_RANGE,
    KeyTypeInconsistent = CKR_KEY_TYPE_INCONSISTENT,
    KeyUnextractable = CKR_KEY_UNEXTRACTABLE,
    MechanismInvalid = CKR_MECHANISM_INVALID,
    MechanismParamInvalid = CKR_MECHANISM_PARAM_INVALID,
    NeedToCreateThreads = CKR_NEED_TO_CREATE_THREADS,
    NoEvent = CKR_NO_EVENT,
    ObjectHandleInvalid = CKR_OBJECT_HANDLE_INVALID,
    OperationActive = CKR_OPERATION_ACTIVE,
    OperationCancelFailed = CKR_OPERATION_CANCEL_FAILED,
    OperationNotInitialized = CKR_OPERATION_NOT_INITIALIZED,
    OperationNotValidated = CKR_OPERATION_NOT_VALIDATED,
    PinIncorrect = CKR_PIN_INCORRECT,
    PinInvalid = CKR_PIN_INVALID,
    PinLenRange = CKR_PIN_LEN_RANGE,
    PinLocked = CKR_PIN_LOCKED,
    PublicKeyInvalid = CKR_PUBLIC_KEY_INVALID,
    RandomSeedNotSupported = CKR_RANDOM_SEED_NOT_SUPPORTED,
    SavedStateInvalid = CKR_SAVED_STATE_INVALID,
    SessionAsyncNotSupported = CKR_SESSION_ASYNC_NOT_SUPPORTED,
    SessionClosed = CKR_SESSION_CLOSED,
    SessionCount = CKR_SESSION_COUNT,
    SessionExists = CKR_SESSION_EXISTS,
    SessionHandleInvalid = CKR_SESSION_HANDLE_INVALID,
    SessionParallelNotSupported = CKR_SESSION_PARALLEL_NOT_SUPPORTED,
    SessionReadOnly = CKR_SESSION_READ_ONLY,
    SessionReadOnlyExists = CKR_SESSION_READ_ONLY_EXISTS,
    SessionReadWriteSoExists = CKR_SESSION_READ_WRITE_SO_EXISTS,
    SignatureInvalid = CKR_SIGNATURE_INVALID,
    SignatureLenRange = CKR_SIGNATURE_LEN_RANGE,
    SlotIdInvalid = CKR_SLOT_ID_INVALID,
    StateUnsaveable = CKR_STATE_UNSAVEABLE,
    TemplateIncomplete = CKR_TEMPLATE_INCOMPLETE,
    TemplateInconsistent = CKR_TEMPLATE_INCONSISTENT,
    TokenNotPresent = CKR_TOKEN_NOT_PRESENT,
    TokenNotRecognized = CKR_TOKEN_NOT_RECOGNIZED,
    TokenWriteProtected = CKR_TOKEN_WRITE_PROTECTED,
    UnwrappingKeyHandleInvalid = CKR_UNWRAPPING_KEY_HANDLE_INVALID,
    UnwrappingKeySizeRange = CKR_UNWRAPPING_KEY_SIZE_RANGE,
    UnwrappingKeyTypeInconsistent = CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
    UserAlreadyLoggedIn = CKR_USER_ALREADY_LOGGED_IN,
    UserAnotherAlreadyLoggedIn = CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
    UserNotLoggedIn = CKR_USER_NOT_LOGGED_IN,
    UserPinNotInitialized = CKR_USER_PIN_NOT_INITIALIZED,
    UserTypeInvalid = CKR_USER_TYPE_INVALID,
    WrappedKeyInvalid = CKR_WRAPPED_KEY_INVALID,
    WrappedKeyLenRange = CKR_WRAPPED_KEY_LEN_RANGE,
    WrappingKeyHandleInvalid = CKR_WRAPPING_KEY_HANDLE_INVALID,
    WrappingKeySizeRange = CKR_WRAPPING_KEY_SIZE_RANGE,
    WrappingKeyTypeInconsistent = CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A return value and why.
#[derive(Clone)]
pub struct Error {
    code: Code,
    cause: Option<Box<str>>,
}

impl Error {
    /// The code that crosses the boundary.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The cause, for the log; never holds a PIN, a key or a whole template.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }
}

impl Code {
    /// An error with this code and a cause for the log.
    pub fn because(self, cause: impl fmt::Display) -> Error {
        Error { code: self, cause: Some(cause.to_string().into_boxed_str()) }
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self { code, cause: None }
    }
}

impl PartialEq<Code> for Error {
    fn eq(&self, code: &Code) -> bool {
        self.code == *code
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.name())?;
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for Error {}

/// Which code a failure of the HSM becomes, where the caller of the HSM knows no better.
impl From<transport::Error> for Error {
    fn from(error: transport::Error) -> Self {
        use transport::Error as E;
        let code = match &error {
            E::NoFacet(_) => Code::KeyFunctionNotPermitted,
            E::Unsupported(_) => Code::FunctionFailed,
            E::InvalidArgument(_) => Code::DataLenRange,
            E::TagMismatch => Code::EncryptedDataInvalid,
            E::WrappedKeyRejected => Code::WrappedKeyInvalid,
            E::SessionsExhausted => Code::SessionCount,
            E::Device { status, .. } if FULL.contains(status) => Code::DeviceMemory,
            _ => Code::DeviceError,
        };
        code.because(error)
    }
}

/// The key tables of the device are full, and nothing of ours is in them that could make room.
const FULL: [Status; 4] = [
    Status::NOT_ENOUGH_SPACE,
    Status::DEFRAGMENTATION_NEEDED,
    Status::REACHED_MAX_KEYS,
    Status::REACHED_MAX_AES_BULK_KEYS,
];
