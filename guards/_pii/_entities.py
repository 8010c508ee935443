"""What there is to find, by whom it is found, and what its placeholders are called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# What Presidio's English registry finds by pattern.
PATTERNS = (
    "CREDIT_CARD",
    "CRYPTO",
    "DATE_TIME",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "IP_ADDRESS",
    "MAC_ADDRESS",
    "MEDICAL_LICENSE",
    "PHONE_NUMBER",
    "UK_NHS",
    "URL",
    "US_BANK_NUMBER",
    "US_DRIVER_LICENSE",
    "US_ITIN",
    "US_PASSPORT",
    "US_SSN",
    "UUID",
)
# What a text must hold for there to be one of these in it; the others are always looked for.  Telling that
# takes a thousandth of the time of looking.
NEEDED = {
    **dict.fromkeys(PATTERNS, re.compile(r"\d")),
    "EMAIL_ADDRESS": re.compile("@"),
    "IP_ADDRESS": re.compile(r"[\d:]"),
    "MAC_ADDRESS": re.compile(r"[0-9A-Fa-f]{2}[:-][0-9A-Fa-f]|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]"),
    "URL": re.compile(r"\.\w\w"),
    "UUID": re.compile("-"),
}
# What takes a language model to find.
NAMES = frozenset({"PERSON", "LOCATION", "ORGANIZATION", "NRP", "ADDRESS"})

# What else Presidio has recognizers for: the class, and a label for placeholders that many share.
NATIONAL: Mapping[str, tuple[str, str]] = {
    "ABA_ROUTING_NUMBER": ("AbaRoutingRecognizer", "TAX_ID"),
    "AU_ABN": ("AuAbnRecognizer", "COMPANY_ID"),
    "AU_ACN": ("AuAcnRecognizer", "COMPANY_ID"),
    "AU_MEDICARE": ("AuMedicareRecognizer", "HEALTH_ID"),
    "AU_TFN": ("AuTfnRecognizer", "TAX_ID"),
    "CA_POSTAL_CODE": ("CaPostalCodeRecognizer", "POSTAL_CODE"),
    "CA_SIN": ("CaSinRecognizer", "NATIONAL_ID"),
    "DE_BSNR": ("DeBsnrRecognizer", "HEALTH_ID"),
    "DE_FUEHRERSCHEIN": ("DeFuehrerscheinRecognizer", "DRIVER_LICENSE"),
    "DE_HANDELSREGISTER": ("DeHandelsregisterRecognizer", "COMPANY_ID"),
    "DE_HEALTH_INSURANCE": ("DeHealthInsuranceRecognizer", "HEALTH_ID"),
    "DE_ID_CARD": ("DeIdCardRecognizer", "NATIONAL_ID"),
    "DE_KFZ": ("DeKfzRecognizer", "LICENSE_PLATE"),
    "DE_LANR": ("DeLanrRecognizer", "HEALTH_ID"),
    "DE_PASSPORT": ("DePassportRecognizer", "PASSPORT"),
    "DE_PLZ": ("DePlzRecognizer", "POSTAL_CODE"),
    "DE_SOCIAL_SECURITY": ("DeSocialSecurityRecognizer", "NATIONAL_ID"),
    "DE_TAX_ID": ("DeTaxIdRecognizer", "TAX_ID"),
    "DE_TAX_NUMBER": ("DeTaxNumberRecognizer", "TAX_ID"),
    "DE_VAT_ID": ("DeVatIdRecognizer", "TAX_ID"),
    "ES_NIE": ("EsNieRecognizer", "NATIONAL_ID"),
    "ES_NIF": ("EsNifRecognizer", "NATIONAL_ID"),
    "ES_PASSPORT": ("EsPassportRecognizer", "PASSPORT"),
    "FI_PERSONAL_IDENTITY_CODE": ("FiPersonalIdentityCodeRecognizer", "NATIONAL_ID"),
    "IN_AADHAAR": ("InAadhaarRecognizer", "NATIONAL_ID"),
    "IN_GSTIN": ("InGstinRecognizer", "TAX_ID"),
    "IN_PAN": ("InPanRecognizer", "TAX_ID"),
    "IN_PASSPORT": ("InPassportRecognizer", "PASSPORT"),
    "IN_VEHICLE_REGISTRATION": ("InVehicleRegistrationRecognizer", "LICENSE_PLATE"),
    "IN_VOTER": ("InVoterRecognizer", "NATIONAL_ID"),
    "IT_DRIVER_LICENSE": ("ItDriverLicenseRecognizer", "DRIVER_LICENSE"),
    "IT_FISCAL_CODE": ("ItFiscalCodeRecognizer", "NATIONAL_ID"),
    "IT_IDENTITY_CARD": ("ItIdentityCardRecognizer", "NATIONAL_ID"),
    "IT_PASSPORT": ("ItPassportRecognizer", "PASSPORT"),
    "IT_VAT_CODE": ("ItVatCodeRecognizer", "TAX_ID"),
    "KR_BRN": ("KrBrnRecognizer", "COMPANY_ID"),
    "KR_DRIVER_LICENSE": ("KrDriverLicenseRecognizer", "DRIVER_LICENSE"),
    "KR_FRN": ("KrFrnRecognizer", "NATIONAL_ID"),
    "KR_PASSPORT": ("KrPassportRecognizer", "PASSPORT"),
    "KR_RRN": ("KrRrnRecognizer", "NATIONAL_ID"),
    "NG_NIN": ("NgNinRecognizer", "NATIONAL_ID"),
    "NG_VEHICLE_REGISTRATION": ("NgVehicleRegistrationRecognizer", "LICENSE_PLATE"),
    "PH_PASSPORT": ("PhPassportRecognizer", "PASSPORT"),
    "PH_TIN": ("PhTinRecognizer", "TAX_ID"),
    "PH_UMID": ("PhUmidRecognizer", "NATIONAL_ID"),
    "PL_PESEL": ("PlPeselRecognizer", "NATIONAL_ID"),
    "SE_ORGANISATIONSNUMMER": ("SeOrganisationsnummerRecognizer", "COMPANY_ID"),
    "SE_PERSONNUMMER": ("SePersonnummerRecognizer", "NATIONAL_ID"),
    "SG_NRIC_FIN": ("SgFinRecognizer", "NATIONAL_ID"),
    "SG_UEN": ("SgUenRecognizer", "COMPANY_ID"),
    "TH_TNIN": ("ThTninRecognizer", "NATIONAL_ID"),
    "TR_LICENSE_PLATE": ("TrLicensePlateRecognizer", "LICENSE_PLATE"),
    "TR_NATIONAL_ID": ("TrNationalIdRecognizer", "NATIONAL_ID"),
    "UK_DRIVING_LICENCE": ("UkDrivingLicenceRecognizer", "DRIVER_LICENSE"),
    "UK_NINO": ("UkNinoRecognizer", "NATIONAL_ID"),
    "UK_PASSPORT": ("UkPassportRecognizer", "PASSPORT"),
    "UK_POSTCODE": ("UkPostcodeRecognizer", "POSTAL_CODE"),
    "UK_VEHICLE_REGISTRATION": ("UkVehicleRegistrationRecognizer", "LICENSE_PLATE"),
    "US_CLAIM_NUMBER": ("UsClaimNumberRecognizer", "HEALTH_ID"),
    "US_HEALTH_INSURANCE_MEMBER_ID": ("UsHealthInsuranceMemberIdRecognizer", "HEALTH_ID"),
    "US_MBI": ("UsMbiRecognizer", "HEALTH_ID"),
    "US_NPI": ("UsNpiRecognizer", "HEALTH_ID"),
    "US_PRESCRIPTION_NUMBER": ("UsPrescriptionNumberRecognizer", "HEALTH_ID"),
    "US_PRIOR_AUTHORIZATION_NUMBER": ("UsPriorAuthorizationNumberRecognizer", "HEALTH_ID"),
    "US_PROVIDER_TAX_ID": ("UsProviderTaxIdRecognizer", "TAX_ID"),
    "US_REFERRAL_NUMBER": ("UsReferralNumberRecognizer", "HEALTH_ID"),
    "ZA_COMPANY_REGISTRATION": ("ZaCompanyRegistrationRecognizer", "TAX_ID"),
    "ZA_DRIVER_LICENSE": ("ZaDriverLicenseRecognizer", "DRIVER_LICENSE"),
    "ZA_ID_NUMBER": ("ZaIdNumberRecognizer", "NATIONAL_ID"),
    "ZA_INCOME_TAX_NUMBER": ("ZaIncomeTaxNumberRecognizer", "TAX_ID"),
    "ZA_LICENSE_PLATE": ("ZaLicensePlateRecognizer", "LICENSE_PLATE"),
    "ZA_PASSPORT": ("ZaPassportRecognizer", "PASSPORT"),
    "ZA_TRAFFIC_REGISTER_NUMBER": ("ZaTrafficRegisterNumberRecognizer", "NATIONAL_ID"),
    "ZA_VAT_NUMBER": ("ZaVatNumberRecognizer", "TAX_ID"),
}

# What has a form too plain to be told without the words around it: pattern, its own score, and those words.
# Context raises a score by 0.35, to 0.4 at least.
BY_CONTEXT: Mapping[str, tuple[str, float, tuple[str, ...]]] = {
    "ACCOUNT_NUMBER": (
        r"\b[0-9]{2,4}(?:[ -]?[0-9]{2,4}){1,4}\b",
        0.05,
        ("account", "acct", "konto", "kontonummer", "compte", "cuenta", "rekening", "policy", "customer"),
    ),
    "DATE_OF_BIRTH": (
        r"\b(?:[0-9]{1,2}[./-][0-9]{1,2}[./-](?:[0-9]{4}|[0-9]{2})|[0-9]{4}-[0-9]{2}-[0-9]{2}"
        r"|[0-9]{1,2}\.? [A-Za-z]{3,9}\.? [0-9]{4}|[A-Za-z]{3,9} [0-9]{1,2}, [0-9]{4})\b",
        0.05,
        (
            "born",
            "birth",
            "birthday",
            "dob",
            "geboren",
            "geburtsdatum",
            "naissance",
            "nacimiento",
            "geboortedatum",
        ),
    ),
    "MEDICAL_RECORD_NUMBER": (
        r"\b(?-i:[A-Z]{1,3}-?)?[0-9]{5,10}\b",
        0.05,
        ("mrn", "medical", "patient", "chart", "hospital", "record"),
    ),
    "VAT_NUMBER": (
        r"\b(?:AT ?U[0-9]{8}|BE ?[01][0-9]{9}|DE ?[0-9]{9}|DK ?[0-9]{8}|EL ?[0-9]{9}"
        r"|ES ?[A-Z0-9][0-9]{7}[A-Z0-9]|FI ?[0-9]{8}|FR ?[A-Z0-9]{2} ?[0-9]{9}|GB ?[0-9]{9}"
        r"|IE ?[0-9][A-Z0-9+*][0-9]{5}[A-Z]{1,2}|IT ?[0-9]{11}"
        r"|LU ?[0-9]{8}"
        r"|NL ?[0-9]{9}B[0-9]{2}|PL ?[0-9]{10}|PT ?[0-9]{9}|SE ?[0-9]{12})\b",
        0.4,
        ("vat", "ust", "ustid", "tva", "iva", "btw", "mwst", "moms"),
    ),
}

FOUND = (*PATTERNS, *BY_CONTEXT, *NATIONAL)
"""Everything that is found without a language model."""

# What a placeholder may be called: TERM is one of `deny`, TEXT is text that looks like a placeholder itself.
LABELS = (
    *PATTERNS,
    *BY_CONTEXT,
    *sorted(NAMES),
    *sorted({label for _, label in NATIONAL.values()}),
    "TERM",
    "TEXT",
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """An entity of a policy's own: a regular expression, its score, and words around it that raise that.

    One that may be `backtracking` is searched for in a process apart, without those words.
    """

    entity: str
    regex: str
    score: float = 0.6
    context: tuple[str, ...] = ()
    backtracking: bool = False


def label(entity: str) -> str:
    """What the placeholders of an entity are called; those of a policy's own are terms."""
    if entity in NATIONAL:
        return NATIONAL[entity][1]
    return entity if entity in LABELS else "TERM"


def linear(regex: str) -> Any:
    """The regular expression on an engine whose time grows with the text alone, whatever it is given.

    Raises ValueError for what such an engine cannot express: look-around and back-references.
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(regex, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise ValueError(f"the pattern {regex!r} does not run in linear time: {reason}") from None


class _Linear:
    """A compiled pattern as Presidio calls it."""

    def __init__(self, regex: str) -> None:
        self.compiled = linear(regex)

    def finditer(self, text: str, timeout: float) -> Iterator[Any]:
        return iter(self.compiled.finditer(text))


def own(pattern: Pattern, language: str) -> Any:
    """A Presidio recognizer for a policy's own pattern."""
    from presidio_analyzer import Pattern as PresidioPattern
    from presidio_analyzer import PatternRecognizer

    held = PresidioPattern(pattern.entity.lower(), pattern.regex, pattern.score)
    recognizer = PatternRecognizer(
        pattern.entity, patterns=[held], context=list(pattern.context), supported_language=language
    )
    held.compiled_regex, held.compiled_with_flags = _Linear(pattern.regex), recognizer.global_regex_flags  # type: ignore[assignment]  # as Presidio calls it
    return recognizer


def recognizers(entities: frozenset[str], language: str) -> list[Any]:
    """Presidio recognizers for the entities that its English registry does not have."""
    from presidio_analyzer import Pattern as PresidioPattern
    from presidio_analyzer import PatternRecognizer, predefined_recognizers

    made: list[Any] = [
        getattr(predefined_recognizers, name)(supported_language=language)
        for entity, (name, _) in NATIONAL.items()
        if entity in entities
    ]
    for entity, (pattern, score, context) in BY_CONTEXT.items():
        if entity in entities:
            patterns = [PresidioPattern(entity.lower(), pattern, score)]
            made.append(
                PatternRecognizer(
                    entity, patterns=patterns, context=list(context), supported_language=language
                )
            )
    return made
