//! Device statuses (wire 3.6, and the five that only the firmware names: wire B.1).

use super::enums::open_enum;

open_enum! {
    /// A device status; unknown numbers are kept.
    pub struct Status {
        /// Completed normally.
        SUCCESS: Success = 0x00000000,
        /// An argument, header combination or state precondition is not acceptable.
        INVALID_ARG: InvalidArg = 0x08000003,
        /// Unclassified failure inside the device.
        INTERNAL_ERROR: InternalError = 0x08000008,
        /// Opcode unknown to, or not implemented by, the device.
        UNSUPPORTED_CMD: UnsupportedCmd = 0x08000009,
        /// The device could not serialise its own response.
        DDI_ENCODE_FAILED: DdiEncodeFailed = 0x08680001,
        /// Request could not be parsed: bad MBOR, wrong outer count, wrong body for the opcode, leftover bytes.
        DDI_DECODE_FAILED: DdiDecodeFailed = 0x08680002,
        /// Partition has no free session slot.
        VAULT_SESSION_LIMIT_REACHED: VaultSessionLimitReached = 0x08700001,
        /// Session id present on a command that must not carry one.
        SESSION_NOT_EXPECTED: SessionNotExpected = 0x08700002,
        /// Session id missing on a command that needs one.
        SESSION_EXPECTED: SessionExpected = 0x08700003,
        /// Session id does not name a live session.
        SESSION_NOT_FOUND: SessionNotFound = 0x08700004,
        /// Manager-role id/PIN rejected.
        INVALID_MANAGER_CREDENTIALS: InvalidManagerCredentials = 0x08700006,
        /// Application id/PIN rejected (wrong, or all-zero).
        INVALID_APP_CREDENTIALS: InvalidAppCredentials = 0x08700007,
        /// Addressed vault does not exist.
        VAULT_NOT_FOUND: VaultNotFound = 0x08700008,
        /// Application record already present.
        APP_ALREADY_EXISTS: AppAlreadyExists = 0x08700009,
        /// Application record absent, or masked blob belongs to another application.
        APP_NOT_FOUND: AppNotFound = 0x0870000a,
        /// Key id or tag does not resolve for this caller.
        KEY_NOT_FOUND: KeyNotFound = 0x0870000e,
        /// Key is of the wrong type for the operation, or requested output type not allowed.
        INVALID_KEY_TYPE: InvalidKeyType = 0x0870000f,
        /// Key DER could not be parsed.
        KEY_DECODE_FAILED: KeyDecodeFailed = 0x08700010,
        /// RSA public-key encryption failed.
        RSA_ENCRYPT_FAILED: RsaEncryptFailed = 0x08700011,
        /// RSA private-key decryption failed.
        RSA_DECRYPT_FAILED: RsaDecryptFailed = 0x08700012,
        /// RSA signing failed.
        RSA_SIGN_FAILED: RsaSignFailed = 0x08700013,
        /// Handle already owns a session (produced on the host side from ioctl code 11).
        FILE_HANDLE_SESSION_LIMIT_REACHED: FileHandleSessionLimitReached = 0x0870001e,
        /// Handle owns no session (host side, from ioctl code 12).
        FILE_HANDLE_NO_EXISTING_SESSION: FileHandleNoExistingSession = 0x0870001f,
        /// Session id missing or different from the one owned by the handle (host side, from ioctl code 14).
        FILE_HANDLE_SESSION_ID_DOES_NOT_MATCH: FileHandleSessionIdDoesNotMatch = 0x08700020,
        /// Requested key tag is already taken within the application.
        KEY_TAG_ALREADY_EXISTS: KeyTagAlreadyExists = 0x08700021,
        /// Key usage flags forbid the operation, or the requested usage set is not legal for the key type.
        INVALID_PERMISSIONS: InvalidPermissions = 0x08700022,
        /// ECDSA signing failed.
        ECC_SIGN_FAILED: EccSignFailed = 0x08700023,
        /// ECDSA verification failed.
        ECC_VERIFY_FAILED: EccVerifyFailed = 0x08700024,
        /// AES encryption failed (also raised by the host library when the fast-path output does not fit).
        AES_ENCRYPT_FAILED: AesEncryptFailed = 0x08700025,
        /// AES decryption failed (also raised by the host library when the fast-path output does not fit).
        AES_DECRYPT_FAILED: AesDecryptFailed = 0x08700026,
        /// PCI function has not been enabled.
        FUNCTION_NOT_ENABLED: FunctionNotEnabled = 0x08700027,
        /// Engine already bound to a different key.
        ANOTHER_KEY_IN_USE: AnotherKeyInUse = 0x08700028,
        /// Engine is not bound to the named key.
        KEY_NOT_IN_USE: KeyNotInUse = 0x08700029,
        /// API revision absent, out of range, different from the session's, or present on `GetApiRev`.
        UNSUPPORTED_REVISION: UnsupportedRevision = 0x0870002a,
        /// DER content is a different key type than announced.
        DER_AND_KEY_TYPE_MISMATCH: DerAndKeyTypeMismatch = 0x0870002b,
        /// No further application can be registered; also a second `EstablishCredential` on the simulator.
        VAULT_APP_LIMIT_REACHED: VaultAppLimitReached = 0x0870002c,
        /// Key store cannot hold another key of this size.
        NOT_ENOUGH_SPACE: NotEnoughSpace = 0x0870002d,
        /// Key-count limit reached.
        REACHED_MAX_KEYS: ReachedMaxKeys = 0x0870002e,
        /// Key is busy; it has been disabled, retry the delete.
        CANNOT_DELETE_KEY_IN_USE: CannotDeleteKeyInUse = 0x0870002f,
        /// Several keys are busy; they have been disabled, retry.
        CANNOT_DELETE_SOME_KEYS_IN_USE: CannotDeleteSomeKeysInUse = 0x08700030,
        /// Session is busy; it has been disabled, retry the close.
        CANNOT_CLOSE_SESSION_IN_USE: CannotCloseSessionInUse = 0x08700031,
        /// Several sessions are busy; they have been disabled, retry.
        CANNOT_CLOSE_SOME_SESSIONS_IN_USE: CannotCloseSomeSessionsInUse = 0x08700032,
        /// At least one key and one session are busy; both kinds disabled, retry.
        CANNOT_DELETE_KEY_AND_CLOSE_SESSION_IN_USE: CannotDeleteKeyAndCloseSessionInUse = 0x08700033,
        /// Key id addresses a table/slot outside the store.
        INVALID_KEY_NUMBER: InvalidKeyNumber = 0x08700034,
        /// PCI function not known.
        FUNCTION_NOT_FOUND: FunctionNotFound = 0x08700036,
        /// RSA key could not be exported to DER.
        RSA_TO_DER_ERROR: RsaToDerError = 0x08700037,
        /// RSA key generation failed.
        RSA_GENERATE_ERROR: RsaGenerateError = 0x08700038,
        /// RSA modulus could not be read.
        RSA_GET_MODULUS_ERROR: RsaGetModulusError = 0x08700039,
        /// RSA public exponent could not be read.
        RSA_GET_PUBLIC_EXPONENT_ERROR: RsaGetPublicExponentError = 0x0870003a,
        /// RSA size is not 2048, 3072 or 4096.
        RSA_INVALID_KEY_LENGTH: RsaInvalidKeyLength = 0x0870003b,
        /// ECC key could not be exported to DER.
        ECC_TO_DER_ERROR: EccToDerError = 0x0870003c,
        /// ECC key generation failed.
        ECC_GENERATE_ERROR: EccGenerateError = 0x0870003d,
        /// ECDH computation failed.
        ECC_DERIVE_ERROR: EccDeriveError = 0x0870003e,
        /// Curve of an ECC key could not be determined.
        ECC_GET_CURVE_ERROR: EccGetCurveError = 0x0870003f,
        /// Point coordinates could not be read.
        ECC_GET_COORDINATES_ERROR: EccGetCoordinatesError = 0x08700040,
        /// Digest computation failed.
        SHA_ERROR: ShaError = 0x08700041,
        /// AES key generation failed.
        AES_GENERATE_ERROR: AesGenerateError = 0x08700042,
        /// Attestation signature has an unexpected form.
        COSE_SIGN1_UNEXPECTED_SIGNATURE: CoseSign1UnexpectedSignature = 0x08700043,
        /// Factory credentials must be replaced before this operation.
        CANNOT_USE_DEFAULT_CREDENTIALS: CannotUseDefaultCredentials = 0x08700044,
        /// HKDF failed.
        HKDF_ERROR: HkdfError = 0x08700045,
        /// Counter-mode KBKDF failed.
        KBKDF_ERROR: KbkdfError = 0x08700046,
        /// RSA unwrap failed (generic).
        RSA_UNWRAP_ERROR: RsaUnwrapError = 0x08700047,
        /// Key attestation failed (generic).
        ATTEST_KEY_ERROR: AttestKeyError = 0x08700048,
        /// Fast path: short application id differs from the session's.
        INVALID_SHORT_APP_ID: InvalidShortAppId = 0x08700049,
        /// Fast path: handle has no short application id yet.
        NO_SHORT_APP_ID_CREATED: NoShortAppIdCreated = 0x0870004a,
        /// GCM decrypt requested without a tag (host side).
        NO_TAG_PROVIDED: NoTagProvided = 0x0870004b,
        /// GCM buffer size not acceptable.
        AES_GCM_INVALID_BUFFER_SIZE: AesGcmInvalidBufferSize = 0x0870004c,
        /// GCM tag verification failed.
        AES_GCM_DECRYPT_TAG_DOES_NOT_MATCH: AesGcmDecryptTagDoesNotMatch = 0x0870004d,
        /// XTS buffer size not acceptable.
        AES_XTS_INVALID_BUFFER_SIZE: AesXtsInvalidBufferSize = 0x0870004e,
        /// XTS data-unit length not acceptable.
        AES_XTS_INVALID_DUL: AesXtsInvalidDul = 0x0870004f,
        /// ECC size is not 256, 384 or 521.
        ECC_INVALID_KEY_LENGTH: EccInvalidKeyLength = 0x08700050,
        /// AES key size not acceptable.
        AES_INVALID_KEY_LENGTH: AesInvalidKeyLength = 0x08700051,
        /// Certificate could not be produced or is not valid.
        INVALID_CERTIFICATE: InvalidCertificate = 0x08700052,
        /// Key exists but is still being generated; retry.
        PENDING_KEY_GENERATION: PendingKeyGeneration = 0x08700053,
        /// Device-owned keys (for example the unwrapping key) cannot be deleted.
        CANNOT_DELETE_INTERNAL_KEYS: CannotDeleteInternalKeys = 0x08700054,
        /// Internal: software-AES request could not be handed to the admin core.
        FAILED_TO_SEND_SOFT_AES_REQUEST: FailedToSendSoftAesRequest = 0x08700055,
        /// HMAC computation failed.
        HMAC_ERROR: HmacError = 0x08700056,
        /// Credential envelope failed its HMAC check / decryption.
        PIN_DECRYPTION_FAILED: PinDecryptionFailed = 0x08700057,
        /// Bulk (fast-path) AES key limit reached.
        REACHED_MAX_AES_BULK_KEYS: ReachedMaxAesBulkKeys = 0x08700058,
        /// HMAC input length not acceptable.
        HMAC_INVALID_INPUT_SIZE: HmacInvalidInputSize = 0x08700059,
        /// Random generator failure.
        RNG_ERROR: RngError = 0x0870005a,
        /// Envelope nonce is not the device's current nonce.
        NONCE_MISMATCH: NonceMismatch = 0x0870005b,
        /// Ephemeral key for `EstablishCredential` could not be generated.
        ESTABLISH_CRED_ENCRYPTION_KEY_GENERATE_FAILED: EstablishCredEncryptionKeyGenerateFailed = 0x0870005c,
        /// HKDF parameter rejected.
        HKDF_INVALID_INPUT_PARAM: HkdfInvalidInputParam = 0x0870005d,
        /// KBKDF parameter rejected.
        KBKDF_INVALID_INPUT_PARAM: KbkdfInvalidInputParam = 0x0870005e,
        /// PIN policy lock-out prevents opening a session.
        LOGIN_FAILED: LoginFailed = 0x0870005f,
        /// Internal: software-AES reply reported failure.
        FAILED_SOFT_AES_RESPONSE: FailedSoftAesResponse = 0x08700060,
        /// Imported key failed structural checks.
        KEY_STRUCTURAL_VALIDATION_FAILED: KeyStructuralValidationFailed = 0x08700061,
        /// Internal: I/O still outstanding.
        PENDING_IO: PendingIo = 0x08700062,
        /// Internal: empty I/O event.
        RECEIVED_EMPTY_IO_EVENT: ReceivedEmptyIoEvent = 0x08700063,
        /// Internal I/O channel: receive failed.
        IO_CHANNEL_RECEIVE_ERROR: IoChannelReceiveError = 0x08700064,
        /// Internal I/O channel: decode failed.
        IO_CHANNEL_DECODE_ERROR: IoChannelDecodeError = 0x08700065,
        /// Internal I/O channel: unknown operation.
        IO_CHANNEL_UNKNOWN_OP: IoChannelUnknownOp = 0x08700066,
        /// I/O channel: source length rejected.
        IO_CHANNEL_INVALID_SRC_LEN: IoChannelInvalidSrcLen = 0x08700067,
        /// I/O channel: destination length rejected.
        IO_CHANNEL_INVALID_DST_LEN: IoChannelInvalidDstLen = 0x08700068,
        /// Partition is not enabled.
        PARTITION_NOT_ENABLED: PartitionNotEnabled = 0x08700069,
        /// I/O channel: pipe disabled (name is spelled this way in the source).
        IO_CHANNE_PIPEL_NOT_ENABLED: IoChannePipelNotEnabled = 0x0870006a,
        /// I/O channel: pipe not valid (name is spelled this way in the source).
        IO_CHANNE_PIPE_NOT_VALID: IoChannePipeNotValid = 0x0870006b,
        /// Internal: no DMA buffer available.
        DMA_BUFFER_ALLOC_FAILURE: DmaBufferAllocFailure = 0x0870006c,
        /// I/O channel: bad buffer descriptor.
        IO_CHANNEL_INVALID_BUFFER_DESCRIPTOR: IoChannelInvalidBufferDescriptor = 0x0870006d,
        /// Internal: DMA engine posted an empty completion.
        DMA_HARDWARE_EMPTY_COMPLETION_FOUND: DmaHardwareEmptyCompletionFound = 0x0870006e,
        /// Internal: DMA transfer ended in error.
        DMA_COMPLETED_WITH_ERROR: DmaCompletedWithError = 0x0870006f,
        /// Internal: DMA completion belongs to another I/O.
        DMA_IO_IDENTIFIER_MISMATCH: DmaIoIdentifierMismatch = 0x08700070,
        /// I/O channel: pipe not found.
        IO_CHANNEL_PIPE_NOT_FOUND: IoChannelPipeNotFound = 0x08700071,
        /// Internal: I/O could not be mapped to a partition.
        FAILED_TO_ASSOCIATE_IO_WITH_PARTITION: FailedToAssociateIoWithPartition = 0x08700072,
        /// Internal: DMA could not be started.
        FAILED_TO_START_DMA_TRANSACTION: FailedToStartDmaTransaction = 0x08700073,
        /// I/O channel: response not sent.
        IO_CHANNEL_FAILED_TO_SEND_RESPONSE: IoChannelFailedToSendResponse = 0x08700074,
        /// Internal: DMA buffer not recognised.
        FAILED_TO_IDENTIFY_DMA_BUFFER: FailedToIdentifyDmaBuffer = 0x08700075,
        /// I/O channel: request descriptor could not be parsed.
        IO_CHANNEL_REQUEST_DECODE_ERROR: IoChannelRequestDecodeError = 0x08700076,
        /// Internal: I/O command not found.
        IO_COMMAND_NOT_FOUND: IoCommandNotFound = 0x08700077,
        /// I/O channel: source alignment rejected.
        IO_CHANNEL_INVALID_SRC_ALIGNMENT: IoChannelInvalidSrcAlignment = 0x08700078,
        /// I/O channel: destination alignment rejected.
        IO_CHANNEL_INVALID_DST_ALIGNMENT: IoChannelInvalidDstAlignment = 0x08700079,
        /// Internal: I/O command failed.
        IO_COMMAND_ERROR: IoCommandError = 0x0870007a,
        /// Internal IPC: unexpected message.
        SPURIOUS_IPC_MESSAGE_RECEIVED: SpuriousIpcMessageReceived = 0x0870007b,
        /// Internal IPC: malformed message.
        INVALID_IPC_MESSAGE_RECEIVED: InvalidIpcMessageReceived = 0x0870007c,
        /// Internal IPC: decode failed.
        FAILED_TO_DECODE_IPC_MESSAGE: FailedToDecodeIpcMessage = 0x0870007d,
        /// Internal IPC: bad opcode.
        INVALID_IPC_MESSAGE_OP_CODE_FOUND: InvalidIpcMessageOpCodeFound = 0x0870007e,
        /// I/O channel: transmit side posted an empty completion.
        IO_CHANNEL_TX_EMPTY_COMPLETION_FOUND: IoChannelTxEmptyCompletionFound = 0x0870007f,
        /// Internal: completion could not be matched to an I/O.
        FAILED_TO_ASSOCIATE_IO_WITH_COMPLETION: FailedToAssociateIoWithCompletion = 0x08700080,
        /// I/O channel: completion not sent.
        IO_CHANNEL_FAILED_TO_SEND_COMPLETION: IoChannelFailedToSendCompletion = 0x08700081,
        /// Key store needs compaction before the key fits.
        DEFRAGMENTATION_NEEDED: DefragmentationNeeded = 0x08700082,
        /// Session-control kind in the command descriptor is wrong.
        INVALID_SESSION_CONTROL_OPCODE: InvalidSessionControlOpcode = 0x08700083,
        /// DER parsing failed.
        DER_DECODE_FAILED: DerDecodeFailed = 0x08700084,
        /// Internal: bad memory-map entry.
        INVALID_MEMORY_MAP_ENTRY: InvalidMemoryMapEntry = 0x08700085,
        /// Internal: bad I/O event handled.
        PROCESSED_INVALID_IO_EVENT: ProcessedInvalidIoEvent = 0x08700086,
        /// Internal: I/O event arrived in the wrong state.
        PROCESSED_IO_EVENT_IN_INVALID_STATE: ProcessedIoEventInInvalidState = 0x08700087,
        /// Internal: public-key engine completion unmatched.
        CANNOT_ASSOCIATE_IO_WITH_PKA_COMPLETION: CannotAssociateIoWithPkaCompletion = 0x08700088,
        /// Internal: public-key engine unexpectedly idle.
        IDENTIFIED_PKA_ENGINE_NOT_BUSY: IdentifiedPkaEngineNotBusy = 0x08700089,
        /// Public-key engine: ECC computation failed.
        IDENTIFIED_ECC_CALCULATION_FAILURE: IdentifiedEccCalculationFailure = 0x0870008a,
        /// Public-key engine: ECC public key not produced.
        FAILED_TO_GENERATE_ECC_PUBLIC_KEY: FailedToGenerateEccPublicKey = 0x0870008b,
        /// Public-key engine: RSA computation failed.
        IDENTIFIED_RSA_CALCULATION_FAILURE: IdentifiedRsaCalculationFailure = 0x0870008c,
        /// Public-key engine: RSA start failed.
        FAILED_TO_BEGIN_RSA_CALCULATION: FailedToBeginRsaCalculation = 0x0870008d,
        /// Public-key engine: RSA multiply failed.
        FAILED_TO_PERFORM_RSA_MULTIPLICATION: FailedToPerformRsaMultiplication = 0x0870008e,
        /// Public-key engine: RSA finish failed.
        FAILED_TO_END_RSA_CALCULATION: FailedToEndRsaCalculation = 0x0870008f,
        /// Public-key engine: modular inverse failed.
        FAILED_TO_PERFORM_RSA_MODULAR_INVERSE: FailedToPerformRsaModularInverse = 0x08700090,
        /// Public-key engine: ECDH failed.
        FAILED_TO_COMPUTE_ECDH_SHARED_SECRET: FailedToComputeEcdhSharedSecret = 0x08700091,
        /// I/O channel: pipe could not be determined.
        FAILED_TO_IDENTIFY_IO_CHANNEL_PIPE: FailedToIdentifyIoChannelPipe = 0x08700092,
        /// I/O channel: pipe determined but not valid.
        IDENTIFIED_INVALID_IO_CHANNEL_PIPE: IdentifiedInvalidIoChannelPipe = 0x08700093,
        /// Internal IPC: send failed (name is spelled this way in the source).
        FAILED_TO_SEND_IP_MESSAGE: FailedToSendIpMessage = 0x08700094,
        /// Internal IPC: peer reported failure.
        IPC_RESPONSE_FAILURE: IpcResponseFailure = 0x08700095,
        /// Internal key derivation failed.
        KEY_DERIVATION_FAILURE: KeyDerivationFailure = 0x08700096,
        /// DER parsing failed while importing a bulk AES key.
        DER_DECODE_FAILED_FOR_AES_BULK_KEY: DerDecodeFailedForAesBulkKey = 0x08700097,
        /// Internal IPC: bad shutdown message.
        INVALID_IPC_SHUTDOWN_MESSAGE: InvalidIpcShutdownMessage = 0x08700098,
        /// Ephemeral key for `OpenSession` could not be generated.
        SESSION_ENCRYPTION_KEY_GENERATE_FAILED: SessionEncryptionKeyGenerateFailed = 0x08700099,
        /// Internal: I/O timed out in the device.
        IO_TIMED_OUT: IoTimedOut = 0x0870009a,
        /// Internal: queue drain running.
        IO_DRAIN_IN_PROGRESS: IoDrainInProgress = 0x0870009b,
        /// I/O channel: pipe deletion failed.
        IO_CHANNEL_PIPE_DELETE_ERROR: IoChannelPipeDeleteError = 0x0870009c,
        /// Internal IPC: reply could not be parsed.
        IPC_RESPONSE_DECODE_ERROR: IpcResponseDecodeError = 0x0870009d,
        /// Internal: unknown self-test request.
        UNKNOWN_SELF_TEST_REQUEST_RECEIVED: UnknownSelfTestRequestReceived = 0x0870009e,
        /// Internal: self-test instance missing.
        SELF_TEST_MISSING_INSTANCE: SelfTestMissingInstance = 0x0870009f,
        /// Internal: public-key engine memory not wiped.
        FAILED_TO_WIPE_PKA_MEMORY: FailedToWipePkaMemory = 0x087000a0,
        /// Internal: queue drain finished.
        IO_DRAIN_READY: IoDrainReady = 0x087000a1,
        /// Internal: firmware package record not valid.
        INVALID_PACKAGE_INFO: InvalidPackageInfo = 0x087000a2,
        /// Pairwise-consistency test failed: generated ECC key.
        PCT_VALIDATION_ECC_GEN_KEY_FAILED: PctValidationEccGenKeyFailed = 0x087000a3,
        /// Pairwise-consistency test failed: `EstablishCredential` key.
        PCT_VALIDATION_ESTABLISH_CRED_ENC_KEY_FAILED: PctValidationEstablishCredEncKeyFailed = 0x087000a4,
        /// Pairwise-consistency test failed: session key.
        PCT_VALIDATION_SESSION_ENC_KEY_FAILED: PctValidationSessionEncKeyFailed = 0x087000a5,
        /// Pairwise-consistency test failed: unwrapping key.
        PCT_VALIDATION_UNWRAPPING_KEY_FAILED: PctValidationUnwrappingKeyFailed = 0x087000a6,
        /// Pairwise-consistency test failed: unwrapped ECC key.
        PCT_VALIDATION_RSA_UNWRAP_ECC_KEY_FAILED: PctValidationRsaUnwrapEccKeyFailed = 0x087000a7,
        /// Pairwise-consistency test failed: unwrapped RSA key.
        PCT_VALIDATION_RSA_UNWRAP_RSA_KEY_FAILED: PctValidationRsaUnwrapRsaKeyFailed = 0x087000a8,
        /// Digest not permitted in FIPS-approved operation.
        NON_FIPS_APPROVED_DIGEST: NonFipsApprovedDigest = 0x087000a9,
        /// Digest algorithm does not fit the key's curve.
        DIGEST_HASH_MISMATCH_WITH_ECC_CURVE: DigestHashMismatchWithEccCurve = 0x087000aa,
        /// Digest algorithm not supported.
        UNSUPPORTED_DIGEST_HASH_ALGORITHM: UnsupportedDigestHashAlgorithm = 0x087000ab,
        /// Public-key validation could not be started.
        FAILED_TO_START_PUBLIC_KEY_VALIDATION: FailedToStartPublicKeyValidation = 0x087000ac,
        /// Public-key validation could not be completed.
        FAILED_TO_END_ECC_PUBLIC_KEY_VALIDATION: FailedToEndEccPublicKeyValidation = 0x087000ad,
        /// Peer point is not on the curve.
        ECC_POINT_VALIDATION_FAILED: EccPointValidationFailed = 0x087000ae,
        /// Peer public key rejected (for example coordinate not below the field prime).
        ECC_PUBLIC_KEY_VALIDATION_FAILED: EccPublicKeyValidationFailed = 0x087000af,
        /// DER key material shorter than the curve needs.
        ECC_DER_KEY_SHORTER_THAN_CURVE: EccDerKeyShorterThanCurve = 0x087000b0,
        /// Unwrap request malformed (for example blob shorter than the modulus).
        RSA_UNWRAP_INVALID_REQUEST: RsaUnwrapInvalidRequest = 0x087000b1,
        /// Unwrap: named unwrapping key unsuitable.
        RSA_UNWRAP_INVALID_KEK: RsaUnwrapInvalidKek = 0x087000b2,
        /// Unwrap: OAEP layer failed.
        RSA_UNWRAP_OAEP_DECODE_FAILED: RsaUnwrapOaepDecodeFailed = 0x087000b3,
        /// Unwrap: AES key-unwrap stage in a bad state.
        RSA_UNWRAP_INVALID_AES_UNWRAP_STATE: RsaUnwrapInvalidAesUnwrapState = 0x087000b4,
        /// Unwrap: AES key-unwrap layer failed.
        RSA_UNWRAP_AES_UNWRAP_FAILED: RsaUnwrapAesUnwrapFailed = 0x087000b5,
        /// Attestation report could not be serialised.
        ATTESTATION_REPORT_ENCODE_FAILED: AttestationReportEncodeFailed = 0x087000b6,
        /// Public key could not be written as a COSE key.
        COSE_KEY_ENCODE_FAILED: CoseKeyEncodeFailed = 0x087000b7,
        /// Internal failure while attesting.
        ATTEST_KEY_INTERNAL_ERROR: AttestKeyInternalError = 0x087000b8,
        /// Partition id generation failed (wire B.1).
        PARTITION_ID_GENERATION_FAILED: PartitionIdGenerationFailed = 0x087000b9,
        /// Partition certificate generation failed (wire B.1).
        PARTITION_CERTIFICATE_GENERATION_FAILED: PartitionCertificateGenerationFailed = 0x087000ba,
        /// Partition certificate type conversion failed (wire B.1).
        PARTITION_CERTIFICATE_CONVERSION_FAILED: PartitionCertificateConversionFailed = 0x087000bb,
        /// Command state allocation failed (wire B.1).
        COMMAND_STATE_ALLOCATION_FAILED: CommandStateAllocationFailed = 0x087000bc,
        /// Partition certificate too large (wire B.1).
        PARTITION_CERTIFICATE_TOO_LARGE: PartitionCertificateTooLarge = 0x087000bd,
        /// Masked blob length inconsistent.
        MASKED_KEY_INVALID_LENGTH: MaskedKeyInvalidLength = 0x087000be,
        /// Masked blob layout could not be prepared.
        MASKED_KEY_PRE_ENCODE_FAILED: MaskedKeyPreEncodeFailed = 0x087000bf,
        /// Masked blob could not be produced.
        MASKED_KEY_ENCODE_FAILED: MaskedKeyEncodeFailed = 0x087000c0,
        /// Masked blob could not be opened (format, integrity or key mismatch).
        MASKED_KEY_DECODE_FAILED: MaskedKeyDecodeFailed = 0x087000c1,
        /// Algorithm identifier not acceptable.
        INVALID_ALGORITHM: InvalidAlgorithm = 0x087000c2,
        /// Output space too small.
        INSUFFICIENT_BUFFER: InsufficientBuffer = 0x087000c3,
        /// Key length not acceptable.
        INVALID_KEY_LENGTH: InvalidKeyLength = 0x087000c4,
        /// Masked-key metadata could not be serialised.
        METADATA_ENCODE_FAILED: MetadataEncodeFailed = 0x087000c5,
        /// Masked-key metadata could not be parsed.
        METADATA_DECODE_FAILED: MetadataDecodeFailed = 0x087000c6,
        /// Session survived a reset/migration by id only; `ReopenSession` required.
        SESSION_NEEDS_RENEGOTIATION: SessionNeedsRenegotiation = 0x087000c7,
        /// Boot backup key could not be derived.
        BK_BOOT_GENERATION_FAILED: BkBootGenerationFailed = 0x087000c8,
        /// BK3 could not be masked.
        MASKING_BK3_FAILED: MaskingBk3Failed = 0x087000c9,
        /// Masked BK3 could not be opened.
        UNMASKING_BK3_FAILED: UnmaskingBk3Failed = 0x087000ca,
        /// Boot backup key could not be masked.
        MASKING_BK_BOOT_FAILED: MaskingBkBootFailed = 0x087000cb,
        /// Masked boot backup key could not be opened.
        UNMASKING_BK_BOOT_FAILED: UnmaskingBkBootFailed = 0x087000cc,
        /// No masked boot backup key stored.
        MASKED_BK_BOOT_NOT_PRESENT: MaskedBkBootNotPresent = 0x087000cd,
        /// Sealed BK3 exceeds the device limit (512 bytes on the simulator).
        SEALED_BK3_TOO_LARGE: SealedBk3TooLarge = 0x087000ce,
        /// Partition has been provisioned before.
        PARTITION_ALREADY_PROVISIONED: PartitionAlreadyProvisioned = 0x087000cf,
        /// No sealed BK3 stored.
        SEALED_BK3_NOT_PRESENT: SealedBk3NotPresent = 0x087000d0,
        /// `EstablishCredential` has not happened since the last reset.
        CREDENTIALS_NOT_ESTABLISHED: CredentialsNotEstablished = 0x087000d1,
        /// Alias key not usable.
        INVALID_ALIAS_KEY: InvalidAliasKey = 0x087000d2,
        /// The masked unwrapping key may not be restored through `UnmaskKey`.
        UNMASK_UNWRAPPING_KEY_NOT_ALLOWED: UnmaskUnwrappingKeyNotAllowed = 0x087000d3,
        /// Internal: stored partition identity not valid.
        INVALID_PARTITION_ID_CONTENT: InvalidPartitionIdContent = 0x087000d4,
        /// Partition has not been provisioned since the last reset.
        PARTITION_NOT_PROVISIONED: PartitionNotProvisioned = 0x087000d5,
        /// BK3 may only be initialised once.
        BK3_ALREADY_INITIALIZED: Bk3AlreadyInitialized = 0x087000d6,
        /// Sealed BK3 may only be stored once.
        SEALED_BK3_ALREADY_SET: SealedBk3AlreadySet = 0x087000d7,
        /// Pairwise-consistency test failed: partition identity key.
        PARTITION_ID_KEY_GENERATION_PCT_FAILED: PartitionIdKeyGenerationPctFailed = 0x087000d8,
    }
}

impl Status {
    /// Whether the command completed normally.
    pub const fn is_success(self) -> bool {
        self.0 == Self::SUCCESS.0
    }
}
