//! Object management (PKCS#11 v3.2, 5.7).

use cryptoki_sys::{CK_ATTRIBUTE, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG};
use session::call::{ObjectHandle, SessionHandle};

use crate::boundary::entry_points;
use crate::memory::{batch, place, query, template};

entry_points! {
    /// `C_CreateObject` (5.7.1).
    Session(hSession) => fn C_CreateObject(
        hSession: CK_SESSION_HANDLE,
        pTemplate: *mut CK_ATTRIBUTE,
        ulCount: CK_ULONG,
        phObject: *mut CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the template and its count, and for `phObject`.
        let (template, place) = unsafe { (template(pTemplate, ulCount), place(phObject)?) };
        place.put(session::object::create(SessionHandle(hSession), template)?.0);
        Ok(())
    }

    /// `C_CopyObject` (5.7.2).
    Session(hSession) => fn C_CopyObject(
        hSession: CK_SESSION_HANDLE,
        hObject: CK_OBJECT_HANDLE,
        pTemplate: *mut CK_ATTRIBUTE,
        ulCount: CK_ULONG,
        phNewObject: *mut CK_OBJECT_HANDLE,
    ) {
        // SAFETY: the standard's promise for the template and its count, and for `phNewObject`.
        let (template, place) = unsafe { (template(pTemplate, ulCount), place(phNewObject)?) };
        place.put(session::object::copy(SessionHandle(hSession), ObjectHandle(hObject), template)?.0);
        Ok(())
    }

    /// `C_DestroyObject` (5.7.3).
    Session(hSession) => fn C_DestroyObject(hSession: CK_SESSION_HANDLE, hObject: CK_OBJECT_HANDLE) {
        session::object::destroy(SessionHandle(hSession), ObjectHandle(hObject))
    }

    /// `C_GetObjectSize` (5.7.4).
    Session(hSession) => fn C_GetObjectSize(
        hSession: CK_SESSION_HANDLE,
        hObject: CK_OBJECT_HANDLE,
        pulSize: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for `pulSize`.
        let place = unsafe { place(pulSize) }?;
        place.put(session::object::size(SessionHandle(hSession), ObjectHandle(hObject))?);
        Ok(())
    }

    /// `C_GetAttributeValue` (5.7.5).
    Session(hSession) => fn C_GetAttributeValue(
        hSession: CK_SESSION_HANDLE,
        hObject: CK_OBJECT_HANDLE,
        pTemplate: *mut CK_ATTRIBUTE,
        ulCount: CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the template, its count, and the buffers that it names.
        let query = unsafe { query(pTemplate, ulCount) };
        let replies = session::object::attributes(SessionHandle(hSession), ObjectHandle(hObject), query.wanted());
        query.deliver(replies)
    }

    /// `C_SetAttributeValue` (5.7.6).
    Session(hSession) => fn C_SetAttributeValue(
        hSession: CK_SESSION_HANDLE,
        hObject: CK_OBJECT_HANDLE,
        pTemplate: *mut CK_ATTRIBUTE,
        ulCount: CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the template and its count.
        let template = unsafe { template(pTemplate, ulCount) };
        session::object::set_attributes(SessionHandle(hSession), ObjectHandle(hObject), template)
    }

    /// `C_FindObjectsInit` (5.7.7): no attributes find every object.
    Session(hSession) => fn C_FindObjectsInit(
        hSession: CK_SESSION_HANDLE,
        pTemplate: *mut CK_ATTRIBUTE,
        ulCount: CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the template and its count.
        session::object::find_init(SessionHandle(hSession), unsafe { template(pTemplate, ulCount) })
    }

    /// `C_FindObjects` (5.7.8).
    Session(hSession) => fn C_FindObjects(
        hSession: CK_SESSION_HANDLE,
        phObject: *mut CK_OBJECT_HANDLE,
        ulMaxObjectCount: CK_ULONG,
        pulObjectCount: *mut CK_ULONG,
    ) {
        // SAFETY: the standard's promise for the list, its length, and `pulObjectCount`.
        let batch = unsafe { batch(phObject, ulMaxObjectCount, pulObjectCount) }?;
        let found = session::object::find(SessionHandle(hSession), batch.max())?;
        batch.deliver(found.into_iter().map(|object| object.0))
    }

    /// `C_FindObjectsFinal` (5.7.9).
    Session(hSession) => fn C_FindObjectsFinal(hSession: CK_SESSION_HANDLE) {
        session::object::find_final(SessionHandle(hSession))
    }
}
