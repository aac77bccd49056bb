//! Slot and token management (PKCS#11 v3.2, 5.5).

use cryptoki_sys::{
    CK_BBOOL, CK_EFFECTIVELY_INFINITE, CK_FALSE, CK_FLAGS, CK_MECHANISM_INFO, CK_MECHANISM_TYPE, CK_SESSION_HANDLE,
    CK_SLOT_ID, CK_SLOT_INFO, CK_TOKEN_INFO, CK_ULONG, CK_UNAVAILABLE_INFORMATION, CK_UTF8CHAR, CK_VERSION,
    CK_VOID_PTR, CKF_DONT_BLOCK,
};
use mechanisms::ck::MechanismType;
use session::Code;
use session::call::{SessionHandle, SlotId};

use super::padded;
use crate::boundary::entry_points;
use crate::memory::{array, fixed, pin, place};

entry_points! {
    /// `C_GetSlotList` (5.5.1).
    Library => fn C_GetSlotList(tokenPresent: CK_BBOOL, pSlotList: *mut CK_SLOT_ID, pulCount: *mut CK_ULONG) {
        // SAFETY: the standard's promise for the list and its count.
        let list = unsafe { array(pSlotList, pulCount) }?;
        list.deliver(session::slot::slots(tokenPresent != CK_FALSE)?.into_iter().map(|slot| slot.0))
    }

    /// `C_GetSlotInfo` (5.5.2).
    Library => fn C_GetSlotInfo(slotID: CK_SLOT_ID, pInfo: *mut CK_SLOT_INFO) {
        // SAFETY: the standard's promise for `pInfo`.
        let place = unsafe { place(pInfo) }?;
        let info = session::slot::slot_info(SlotId(slotID))?;
        place.put(CK_SLOT_INFO {
            slotDescription: padded(&info.description),
            manufacturerID: padded(&info.manufacturer),
            flags: info.flags,
            hardwareVersion: version(info.hardware),
            firmwareVersion: version(info.firmware),
        });
        Ok(())
    }

    /// `C_GetTokenInfo` (5.5.3): sessions are limited by memory only; how much memory is left nobody knows.
    Library => fn C_GetTokenInfo(slotID: CK_SLOT_ID, pInfo: *mut CK_TOKEN_INFO) {
        // SAFETY: the standard's promise for `pInfo`.
        let place = unsafe { place(pInfo) }?;
        let info = session::slot::token_info(SlotId(slotID))?;
        place.put(CK_TOKEN_INFO {
            label: info.label,
            manufacturerID: padded(&info.manufacturer),
            model: padded(&info.model),
            serialNumber: padded(&info.serial),
            flags: info.flags,
            ulMaxSessionCount: CK_EFFECTIVELY_INFINITE,
            ulSessionCount: info.sessions,
            ulMaxRwSessionCount: CK_EFFECTIVELY_INFINITE,
            ulRwSessionCount: info.rw_sessions,
            ulMaxPinLen: info.pin_len.1,
            ulMinPinLen: info.pin_len.0,
            ulTotalPublicMemory: CK_UNAVAILABLE_INFORMATION,
            ulFreePublicMemory: CK_UNAVAILABLE_INFORMATION,
            ulTotalPrivateMemory: CK_UNAVAILABLE_INFORMATION,
            ulFreePrivateMemory: CK_UNAVAILABLE_INFORMATION,
            hardwareVersion: version(info.hardware),
            firmwareVersion: version(info.firmware),
            utcTime: padded(""),
        });
        Ok(())
    }

    /// `C_WaitForSlotEvent` (5.5.4): slots neither come nor go here, so that a call that blocks returns with `C_Finalize`.
    Library => fn C_WaitForSlotEvent(flags: CK_FLAGS, pSlot: *mut CK_SLOT_ID, pReserved: CK_VOID_PTR) {
        if !pReserved.is_null() {
            return Err(Code::ArgumentsBad.because("pReserved is not null"));
        }
        // SAFETY: the standard's promise for `pSlot`.
        let place = unsafe { place(pSlot) }?;
        let slot = session::slot::wait_for_slot_event(flags & CKF_DONT_BLOCK == 0)?.ok_or(Code::NoEvent)?;
        place.put(slot.0);
        Ok(())
    }

    /// `C_GetMechanismList` (5.5.5).
    Library => fn C_GetMechanismList(
        slotID: CK_SLOT_ID,
        pMechanismList: *mut CK_MECHANISM_TYPE,
        pulCount: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the list and its count.
        let list = unsafe { array(pMechanismList, pulCount) }?;
        list.deliver(session::slot::mechanisms(SlotId(slotID))?.into_iter().map(|kind| kind.0))
    }

    /// `C_GetMechanismInfo` (5.5.6).
    Library => fn C_GetMechanismInfo(slotID: CK_SLOT_ID, type_: CK_MECHANISM_TYPE, pInfo: *mut CK_MECHANISM_INFO) {
        // SAFETY: the standard's promise for `pInfo`.
        let place = unsafe { place(pInfo) }?;
        let info = session::slot::mechanism_info(SlotId(slotID), MechanismType(type_))?;
        place.put(CK_MECHANISM_INFO { ulMinKeySize: info.min, ulMaxKeySize: info.max, flags: info.flags });
        Ok(())
    }

    /// `C_InitToken` (5.5.7): the label is 32 bytes, blank padded, without an end.
    Library => fn C_InitToken(
        slotID: CK_SLOT_ID,
        pPin: *mut CK_UTF8CHAR,
        ulPinLen: CK_ULONG,
        pLabel: *mut CK_UTF8CHAR,
    ) {
        // SAFETY: the standard's promise for the PIN and its length, and for the 32 bytes of the label.
        let (so_pin, label) = unsafe { (pin(pPin, ulPinLen), fixed(pLabel)) };
        session::slot::init_token(SlotId(slotID), so_pin, label)
    }

    /// `C_InitPIN` (5.5.8).
    Session(hSession) => fn C_InitPIN(hSession: CK_SESSION_HANDLE, pPin: *mut CK_UTF8CHAR, ulPinLen: CK_ULONG) {
        // SAFETY: the standard's promise for the PIN and its length.
        session::slot::init_pin(SessionHandle(hSession), unsafe { pin(pPin, ulPinLen) })
    }

    /// `C_SetPIN` (5.5.9).
    Session(hSession) => fn C_SetPIN(
        hSession: CK_SESSION_HANDLE,
        pOldPin: *mut CK_UTF8CHAR,
        ulOldLen: CK_ULONG,
        pNewPin: *mut CK_UTF8CHAR,
        ulNewLen: CK_ULONG,
    ) {
        // SAFETY: the standard's promise for each PIN and its length.
        let (old, new) = unsafe { (pin(pOldPin, ulOldLen), pin(pNewPin, ulNewLen)) };
        session::slot::set_pin(SessionHandle(hSession), old, new)
    }
}

fn version((major, minor): (u8, u8)) -> CK_VERSION {
    CK_VERSION { major, minor }
}
