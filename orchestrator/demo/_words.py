"""What shipping papers say, in five languages; every company, person and number is made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How one language writes a shipping paper: titles by kind, labels by field, and some prose.

    Where there are several labels for a field, each office has its own habit.
    """

    titles: Mapping[str, str]
    labels: Mapping[str, tuple[str, ...]]
    dates: tuple[str, ...]
    months: tuple[str, ...]
    numbers: tuple[tuple[str, str], ...]
    verb: str
    greeting: str
    closing: str
    opening: str
    second_weight: str
    columns: tuple[str, str, str]
    goods: tuple[str, ...]
    small_print: str


def months(names: str) -> tuple[str, ...]:
    return tuple(names.split())


ENGLISH = Words(
    titles={
        "bill_of_lading": "BILL OF LADING",
        "packing_list": "PACKING LIST",
        "customs_form": "CUSTOMS DECLARATION",
        "commercial_invoice": "COMMERCIAL INVOICE",
        "delivery_note": "DELIVERY NOTE",
    },
    labels={
        "document_number": ("Document no.", "Document number"),
        "shipment_number": ("Shipment no.", "Shipment number"),
        "issue_date": ("Date of issue", "Issue date", "Date"),
        "shipper": ("Shipper", "Consignor"),
        "consignee": ("Consignee",),
        "container_number": ("Container no.", "Container number"),
        "packages": ("Packages", "Number of packages"),
        "gross_weight": ("Gross weight", "Total gross weight"),
        "total_value": ("Total value", "Total amount"),
        "net_weight": ("Net weight",),
        "vessel": ("Vessel",),
        "loading": ("Port of loading",),
        "discharge": ("Port of discharge",),
        "hs_code": ("HS code", "Commodity code"),
        "origin": ("Country of origin",),
        "contact": ("Contact", "Attn."),
        "contact_email": ("E-mail", "Contact e-mail"),
        "phone": ("Phone", "Tel."),
        "driver": ("Driver",),
        "licence": ("Driver's licence", "Driving licence no."),
        "iban": ("IBAN",),
        "card": ("Card for charges", "Credit card"),
    },
    dates=("%d %B %Y", "%d-%b-%Y", "%Y-%m-%d", "%B %d, %Y"),
    months=months("January February March April May June July August September October November December"),
    numbers=((",", "."), ("", ".")),
    verb="is",
    greeting="Dear Sir or Madam,",
    closing="Kind regards,",
    opening="please find below the particulars of our {title}.",
    second_weight="Weighbridge ticket attached, gross weight {weight}.",
    columns=("Description", "Packages", "Weight"),
    goods=("machine parts", "ceramic tiles", "cotton fabric", "olive oil", "bicycle frames", "printed books"),
    small_print="Received in apparent good order and condition unless otherwise stated. Page 1 of 1.",
)

GERMAN = Words(
    titles={
        "bill_of_lading": "KONNOSSEMENT",
        "packing_list": "PACKLISTE",
        "customs_form": "ZOLLANMELDUNG",
        "commercial_invoice": "HANDELSRECHNUNG",
        "delivery_note": "LIEFERSCHEIN",
    },
    labels={
        "document_number": ("Dokumentnummer", "Dokument-Nr."),
        "shipment_number": ("Sendungsnummer", "Sendungs-Nr."),
        "issue_date": ("Ausstellungsdatum", "Datum"),
        "shipper": ("Absender", "Versender"),
        "consignee": ("Empfänger",),
        "container_number": ("Containernummer", "Container-Nr."),
        "packages": ("Packstücke", "Anzahl Packstücke"),
        "gross_weight": ("Bruttogewicht", "Gesamtgewicht brutto"),
        "total_value": ("Gesamtwert", "Gesamtbetrag"),
        "net_weight": ("Nettogewicht",),
        "vessel": ("Schiff",),
        "loading": ("Ladehafen",),
        "discharge": ("Löschhafen",),
        "hs_code": ("Warennummer",),
        "origin": ("Ursprungsland",),
        "contact": ("Ansprechpartner", "z. Hd."),
        "contact_email": ("E-Mail",),
        "phone": ("Telefon", "Tel."),
        "driver": ("Fahrer",),
        "licence": ("Führerschein-Nr.",),
        "iban": ("IBAN",),
        "card": ("Kreditkarte",),
    },
    dates=("%d.%m.%Y", "%d. %B %Y", "%Y-%m-%d"),
    months=months("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
    numbers=((".", ","), ("", ",")),
    verb="lautet",
    greeting="Sehr geehrte Damen und Herren,",
    closing="Mit freundlichen Grüßen",
    opening="nachstehend die Angaben zu unserem Dokument {title}.",
    second_weight="Laut beiliegendem Wiegeschein: Bruttogewicht {weight}.",
    columns=("Bezeichnung", "Packstücke", "Gewicht"),
    goods=("Maschinenteile", "Fliesen", "Baumwollstoff", "Olivenöl", "Fahrradrahmen", "Druckerzeugnisse"),
    small_print="In äußerlich guter Beschaffenheit übernommen. Seite 1 von 1.",
)

FRENCH = Words(
    titles={
        "bill_of_lading": "CONNAISSEMENT",
        "packing_list": "LISTE DE COLISAGE",
        "customs_form": "DÉCLARATION EN DOUANE",
        "commercial_invoice": "FACTURE COMMERCIALE",
        "delivery_note": "BON DE LIVRAISON",
    },
    labels={
        "document_number": ("Numéro de document", "Document n°"),
        "shipment_number": ("Numéro d'expédition", "Expédition n°"),
        "issue_date": ("Date d'émission", "Date"),
        "shipper": ("Expéditeur", "Chargeur"),
        "consignee": ("Destinataire",),
        "container_number": ("Numéro de conteneur", "Conteneur n°"),
        "packages": ("Nombre de colis", "Colis"),
        "gross_weight": ("Poids brut", "Poids brut total"),
        "total_value": ("Valeur totale", "Montant total"),
        "net_weight": ("Poids net",),
        "vessel": ("Navire",),
        "loading": ("Port de chargement",),
        "discharge": ("Port de déchargement",),
        "hs_code": ("Code SH",),
        "origin": ("Pays d'origine",),
        "contact": ("Contact", "À l'attention de"),
        "contact_email": ("Courriel", "E-mail"),
        "phone": ("Téléphone", "Tél."),
        "driver": ("Chauffeur",),
        "licence": ("Permis de conduire",),
        "iban": ("IBAN",),
        "card": ("Carte bancaire",),
    },
    dates=("%d/%m/%Y", "%d %B %Y", "%Y-%m-%d"),
    months=months("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
    numbers=((" ", ","), ("", ",")),
    verb="est",
    greeting="Madame, Monsieur,",
    closing="Cordialement,",
    opening="veuillez trouver ci-dessous les données du document {title}.",
    second_weight="Selon le ticket de pesée ci-joint, poids brut {weight}.",
    columns=("Désignation", "Colis", "Poids"),
    goods=("pièces de machine", "carreaux", "tissu de coton", "huile d'olive", "cadres de vélo", "livres"),
    small_print="Reçu en bon état apparent, sauf réserve contraire. Page 1 sur 1.",
)

SPANISH = Words(
    titles={
        "bill_of_lading": "CONOCIMIENTO DE EMBARQUE",
        "packing_list": "LISTA DE EMPAQUE",
        "customs_form": "DECLARACIÓN DE ADUANAS",
        "commercial_invoice": "FACTURA COMERCIAL",
        "delivery_note": "ALBARÁN DE ENTREGA",
    },
    labels={
        "document_number": ("Número de documento", "Documento n.º"),
        "shipment_number": ("Número de envío", "Envío n.º"),
        "issue_date": ("Fecha de emisión", "Fecha"),
        "shipper": ("Remitente", "Cargador"),
        "consignee": ("Destinatario", "Consignatario"),
        "container_number": ("Número de contenedor", "Contenedor n.º"),
        "packages": ("Bultos", "Número de bultos"),
        "gross_weight": ("Peso bruto", "Peso bruto total"),
        "total_value": ("Valor total", "Importe total"),
        "net_weight": ("Peso neto",),
        "vessel": ("Buque",),
        "loading": ("Puerto de carga",),
        "discharge": ("Puerto de descarga",),
        "hs_code": ("Código SA",),
        "origin": ("País de origen",),
        "contact": ("Contacto", "A la atención de"),
        "contact_email": ("Correo electrónico", "E-mail"),
        "phone": ("Teléfono", "Tel."),
        "driver": ("Conductor",),
        "licence": ("Permiso de conducir",),
        "iban": ("IBAN",),
        "card": ("Tarjeta de crédito",),
    },
    dates=("%d/%m/%Y", "%d de %B de %Y", "%Y-%m-%d"),
    months=months("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
    numbers=((".", ","), ("", ",")),
    verb="es",
    greeting="Estimados señores:",
    closing="Un cordial saludo,",
    opening="a continuación los datos de nuestro documento {title}.",
    second_weight="Según el ticket de pesaje adjunto, peso bruto {weight}.",
    columns=("Descripción", "Bultos", "Peso"),
    goods=("piezas de máquina", "azulejos", "tela de algodón", "aceite de oliva", "cuadros", "libros"),
    small_print="Recibido en aparente buen estado, salvo indicación en contrario. Página 1 de 1.",
)

DUTCH = Words(
    titles={
        "bill_of_lading": "COGNOSSEMENT",
        "packing_list": "PAKLIJST",
        "customs_form": "DOUANEAANGIFTE",
        "commercial_invoice": "HANDELSFACTUUR",
        "delivery_note": "AFLEVERBON",
    },
    labels={
        "document_number": ("Documentnummer", "Document nr."),
        "shipment_number": ("Zendingnummer", "Zending nr."),
        "issue_date": ("Datum van afgifte", "Datum"),
        "shipper": ("Afzender",),
        "consignee": ("Geadresseerde", "Ontvanger"),
        "container_number": ("Containernummer", "Container nr."),
        "packages": ("Aantal colli", "Colli"),
        "gross_weight": ("Brutogewicht", "Totaal brutogewicht"),
        "total_value": ("Totale waarde", "Totaalbedrag"),
        "net_weight": ("Nettogewicht",),
        "vessel": ("Schip",),
        "loading": ("Laadhaven",),
        "discharge": ("Loshaven",),
        "hs_code": ("Goederencode",),
        "origin": ("Land van oorsprong",),
        "contact": ("Contactpersoon", "T.a.v."),
        "contact_email": ("E-mail",),
        "phone": ("Telefoon", "Tel."),
        "driver": ("Chauffeur",),
        "licence": ("Rijbewijs",),
        "iban": ("IBAN",),
        "card": ("Creditcard",),
    },
    dates=("%d-%m-%Y", "%d %B %Y", "%Y-%m-%d"),
    months=months("januari februari maart april mei juni juli augustus september oktober november december"),
    numbers=((".", ","), ("", ",")),
    verb="is",
    greeting="Geachte heer, mevrouw,",
    closing="Met vriendelijke groet,",
    opening="hieronder de gegevens van ons document {title}.",
    second_weight="Volgens de bijgevoegde weegbon: brutogewicht {weight}.",
    columns=("Omschrijving", "Colli", "Gewicht"),
    goods=("machineonderdelen", "tegels", "katoenen stof", "olijfolie", "fietsframes", "boeken"),
    small_print="Ontvangen in uiterlijk goede staat, tenzij anders vermeld. Pagina 1 van 1.",
)

WORDS: Mapping[str, Words] = {"en": ENGLISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH, "nl": DUTCH}

COMPANIES = (
    "Northbank Tools Ltd",
    "Harrow Mill Textiles Ltd",
    "Bluff Point Trading Inc",
    "Lindenhof Maschinenbau GmbH",
    "Spedition Falkensee GmbH",
    "Ateliers du Vallon SARL",
    "Transports Marmonde SA",
    "Aceites Montalban SL",
    "Logistica Riberalta SL",
    "Zuiderzee Handel BV",
    "Tulpkade Expeditie BV",
    "Ceramiche Valdoro SpA",
)
FORENAMES = (
    "Alma",
    "Bruno",
    "Clara",
    "Diego",
    "Elise",
    "Femke",
    "Greta",
    "Henrik",
    "Ines",
    "Jonas",
    "Karin",
    "Luca",
)
SURNAMES = ("Abendrot", "Bellcourt", "Casavera", "Dijkman", "Easterly", "Fontclair", "Grunwald", "Hartleby")
VESSELS = ("MV Aurelia Star", "MV Nordkap Trader", "MV Santa Brisa", "MV Polder Queen")
PORTS = ("Felixstowe", "Hamburg", "Le Havre", "Valencia", "Rotterdam", "Genoa", "New York")
COUNTRIES = ("GB", "DE", "FR", "ES", "NL", "IT", "US")
