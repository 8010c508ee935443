"""What business papers call things: one row a thing, in the languages a model reads."""

from __future__ import annotations

from collections.abc import Mapping

# The first phrases of a row are the most telling; a phrase of one plain word comes last.
THINGS: Mapping[str, tuple[str, ...]] = {
    "document number": (
        "document number", "document no", "document id", "dokumentnummer", "dokument nr",
        "numéro de document", "document n°", "número de documento", "documento n.º", "documentnummer",
        "document nr", "numero documento", "bill of lading no", "b/l no", "b/l number", "packing list no",
        "declaration no", "reference", "ref",
    ),
    "invoice number": (
        "invoice number", "invoice no", "invoice id", "invoice", "rechnungsnummer", "rechnungs nr",
        "rechnung nr", "numéro de facture", "facture n°", "número de factura", "factura n.º",
        "factuurnummer", "factuur nr", "numero fattura", "fattura n",
    ),
    "order number": (
        "order number", "order no", "purchase order", "po number", "bestellnummer", "bestell nr",
        "auftragsnummer", "numéro de commande", "commande n°", "número de pedido", "pedido n.º",
        "bestelnummer", "ordernummer", "numero ordine",
    ),
    "shipment number": (
        "shipment number", "shipment no", "shipment id", "shipment", "consignment number", "sendungsnummer",
        "sendungs nr", "numéro d'expédition", "expédition n°", "número de envío", "envío n.º",
        "zendingnummer", "zending nr", "numero spedizione", "tracking number",
    ),
    "customer number": (
        "customer number", "customer no", "customer id", "kundennummer", "kunden nr", "numéro de client",
        "número de cliente", "klantnummer", "codice cliente",
    ),
    "claim number": (
        "claim number", "claim no", "claim id", "schadennummer", "schaden nr", "numéro de sinistre",
        "número de siniestro", "schadenummer",
    ),
    "policy number": (
        "policy number", "policy no", "policennummer", "versicherungsnummer", "numéro de police",
        "número de póliza", "polisnummer",
    ),
    "issue date": (
        "date of issue", "issue date", "issued on", "invoice date", "document date", "ausstellungsdatum",
        "rechnungsdatum", "date d'émission", "date de facture", "fecha de emisión", "fecha de factura",
        "datum van afgifte", "factuurdatum", "data di emissione", "date", "datum", "fecha", "data",
    ),
    "due date": (
        "due date", "payment due", "payable by", "fällig am", "fälligkeitsdatum", "zahlbar bis",
        "date d'échéance", "échéance", "fecha de vencimiento", "vencimiento", "vervaldatum",
        "data di scadenza", "scadenza",
    ),
    "delivery date": (
        "delivery date", "date of delivery", "delivered on", "eta", "lieferdatum", "liefertermin",
        "date de livraison", "fecha de entrega", "leverdatum", "data di consegna",
    ),
    "shipper": (
        "shipper", "consignor", "exporter", "sender", "absender", "versender", "expéditeur", "chargeur",
        "exportateur", "remitente", "cargador", "exportador", "afzender", "mittente",
    ),
    "consignee": (
        "consignee", "importer", "ship to", "recipient", "receiver", "empfänger", "destinataire",
        "importateur", "destinatario", "consignatario", "importador", "geadresseerde", "ontvanger",
    ),
    "carrier": (
        "carrier", "haulier", "frachtführer", "spediteur", "transporteur", "transportista", "vervoerder",
        "vettore",
    ),
    "supplier": (
        "supplier", "seller", "vendor", "lieferant", "verkäufer", "fournisseur", "vendeur", "proveedor",
        "vendedor", "leverancier", "verkoper", "fornitore",
    ),
    "customer": (
        "bill to", "customer", "client", "buyer", "kunde", "käufer", "acheteur", "cliente", "comprador",
        "klant", "koper", "acquirente",
    ),
    "container number": (
        "container number", "container no", "containernummer", "container nr", "numéro de conteneur",
        "conteneur n°", "número de contenedor", "contenedor n.º", "numero container", "container",
    ),
    "seal number": (
        "seal number", "seal no", "siegelnummer", "plombennummer", "numéro de scellé", "número de precinto",
    ),
    "packages": (
        "number of packages", "total packages", "no of packages", "packages", "package count", "pieces",
        "cartons", "packstücke", "anzahl packstücke", "kolli", "nombre de colis", "colis", "bultos",
        "número de bultos", "aantal colli", "colli", "numero colli",
    ),
    "gross weight": (
        "total gross weight", "gross weight", "gross wt", "gesamtgewicht brutto", "bruttogewicht",
        "poids brut total", "poids brut", "peso bruto total", "peso bruto", "totaal brutogewicht",
        "brutogewicht", "peso lordo", "weight", "gewicht", "poids", "peso",
    ),
    "net weight": ("net weight", "net wt", "nettogewicht", "poids net", "peso neto", "peso netto"),
    "volume": ("volume", "measurement", "cbm", "volumen", "rauminhalt", "volumen total"),
    "vessel": ("vessel", "ship name", "schiff", "navire", "buque", "schip", "nave"),
    "voyage": (
        "voyage number", "voyage no", "voyage", "reise nr", "reisenummer", "numéro de voyage", "viaje",
    ),
    "port of loading": (
        "port of loading", "loading port", "place of loading", "ladehafen", "port de chargement",
        "puerto de carga", "laadhaven", "porto di carico",
    ),
    "port of discharge": (
        "port of discharge", "discharge port", "destination port", "löschhafen", "bestimmungshafen",
        "port de déchargement", "puerto de descarga", "loshaven", "porto di scarico", "destination",
    ),
    "origin": (
        "country of origin", "origin country", "ursprungsland", "pays d'origine", "país de origen",
        "land van oorsprong", "paese di origine", "origin",
    ),
    "hs code": (
        "hs code", "commodity code", "tariff code", "warennummer", "zolltarifnummer", "code sh",
        "código sa", "goederencode", "codice doganale",
    ),
    "incoterms": ("incoterms", "incoterm", "delivery terms", "lieferbedingung", "conditions de livraison"),
    "total value": (
        "total value", "total amount", "grand total", "amount due", "invoice total", "declared value",
        "gesamtwert", "gesamtbetrag", "endbetrag", "rechnungsbetrag", "valeur totale", "montant total",
        "total ttc", "valor total", "importe total", "totale waarde", "totaalbedrag", "valore totale",
        "importo totale", "total", "summe", "totaal", "totale", "amount", "betrag", "montant", "importe",
        "bedrag", "value",
    ),
    "subtotal": (
        "subtotal", "net amount", "zwischensumme", "nettobetrag", "sous total", "total ht",
        "base imponible",
    ),
    "tax": (
        "vat amount", "tax amount", "sales tax", "vat", "tax", "mehrwertsteuer", "mwst", "umsatzsteuer",
        "ust", "tva", "iva", "btw",
    ),
    "currency": ("currency", "währung", "devise", "monnaie", "moneda", "divisa", "munteenheid", "valuta"),
    "quantity": (
        "quantity", "qty", "menge", "anzahl", "stück", "quantité", "qté", "cantidad", "aantal", "quantità",
    ),
    "unit price": (
        "unit price", "price per unit", "einzelpreis", "stückpreis", "prix unitaire", "precio unitario",
        "stukprijs", "prezzo unitario", "price", "preis", "prix", "precio", "prijs",
    ),
    "description": (
        "description of goods", "goods description", "description", "goods", "bezeichnung",
        "warenbezeichnung", "beschreibung", "désignation", "marchandises", "descripción", "mercancía",
        "omschrijving", "goederen", "descrizione", "item", "article", "artikel",
    ),
    "email": (
        "contact e-mail", "e-mail address", "e-mail", "email", "courriel", "adresse e-mail",
        "correo electrónico", "correo", "e-mailadres", "posta elettronica",
    ),
    "phone": (
        "phone number", "telephone", "phone", "mobile", "tel", "telefonnummer", "telefon", "téléphone",
        "tél", "teléfono", "telefoon", "telefono", "cell",
    ),
    "contact": (
        "contact person", "contact name", "contact", "attn", "attention", "ansprechpartner", "z. hd.",
        "à l'attention de", "contacto", "a la atención de", "contactpersoon", "t.a.v.",
    ),
    "driver": ("driver name", "driver", "fahrer", "chauffeur", "conductor", "bestuurder", "autista"),
    "licence": (
        "driver's licence", "driving licence no", "driver's license", "licence number", "license number",
        "führerschein nr", "permis de conduire", "permiso de conducir", "rijbewijs",
    ),
    "iban": ("iban",),
    "card number": (
        "card number", "credit card", "card for charges", "card", "kreditkarte", "carte bancaire",
        "tarjeta de crédito", "creditcard",
    ),
    "name": ("full name", "name", "nom", "nombre", "naam", "nome"),
    "address": ("street address", "address", "anschrift", "adresse", "dirección", "adres", "indirizzo"),
    "city": ("city", "town", "stadt", "ort", "ville", "ciudad", "stad", "città"),
    "postcode": (
        "postcode", "postal code", "zip code", "zip", "plz", "postleitzahl", "code postal", "código postal",
    ),
    "country": ("country", "land", "pays", "país", "paese"),
    "subject": ("subject", "betreff", "objet", "asunto", "onderwerp", "oggetto", "title"),
    "status": ("status", "state", "statut", "estado", "stato"),
    "priority": ("priority", "priorität", "priorité", "prioridad", "prioriteit"),
    "registered weight": ("registered weight", "registered gross weight", "registriertes gewicht"),
}  # fmt: skip

# Values that a closed list may name, as titles and prose write them.
NAMES: Mapping[str, tuple[str, ...]] = {
    "bill of lading": (
        "bill of lading", "konnossement", "connaissement", "conocimiento de embarque", "cognossement",
        "polizza di carico", "seefrachtbrief", "frachtbrief", "waybill",
    ),
    "packing list": (
        "packing list", "packliste", "liste de colisage", "lista de empaque", "lista de contenido",
        "paklijst", "distinta di imballaggio",
    ),
    "customs form": (
        "customs declaration", "customs form", "customs entry", "zollanmeldung", "zollerklärung",
        "déclaration en douane", "declaración de aduanas", "declaración aduanera", "douaneaangifte",
        "dichiarazione doganale",
    ),
    "commercial invoice": (
        "commercial invoice", "handelsrechnung", "facture commerciale", "factura comercial",
        "handelsfactuur", "fattura commerciale", "proforma",
    ),
    "invoice": ("invoice", "rechnung", "facture", "factura", "factuur", "fattura"),
    "delivery note": (
        "delivery note", "lieferschein", "bon de livraison", "albarán de entrega", "albarán", "afleverbon",
        "pakbon", "bolla di consegna",
    ),
    "order": ("purchase order", "bestellung", "commande", "pedido", "bestelling", "ordine"),
    "receipt": ("receipt", "quittung", "reçu", "recibo", "kwitantie", "ricevuta"),
    "contract": ("contract", "agreement", "vertrag", "contrat", "contrato", "overeenkomst", "contratto"),
    "complaint": ("complaint", "beschwerde", "reklamation", "réclamation", "queja", "klacht", "reclamo"),
    "damage": ("damage", "damaged", "schaden", "beschädigt", "dommage", "daño", "schade", "danno"),
    "positive": ("thank you", "great", "excellent", "happy", "danke", "merci", "gracias"),
    "negative": (
        "unacceptable", "disappointed", "terrible", "angry", "broken", "late", "enttäuscht", "déçu",
    ),
    "high": ("urgent", "immediately", "asap", "dringend", "sofort", "urgente"),
}  # fmt: skip
NAMES = {**NAMES, "customs declaration": NAMES["customs form"], "purchase order": NAMES["order"]}

CATCH_ALL = ("other", "unknown", "none", "unclear", "neutral", "normal", "medium", "n/a", "misc")

# Between a name and its value where no punctuation stands.
VERBS = (
    "is", "are", "was", "amounts to", "lautet", "ist", "beträgt", "est", "s'élève à", "es", "son",
    "asciende a", "bedraagt", "luidt", "è",
)  # fmt: skip

YES = ("yes", "y", "true", "x", "ja", "oui", "si", "sì", "vrai", "wahr", "required", "included")
NO = ("no", "n", "false", "nein", "non", "nee", "not", "none", "nicht", "kein", "keine", "geen", "faux")

LANGUAGES: Mapping[str, tuple[str, ...]] = {
    "en": ("the", "of", "and", "is", "please", "number", "weight", "date", "shipper", "our", "with", "to"),
    "de": (
        "der",
        "die",
        "und",
        "das",
        "nummer",
        "datum",
        "gewicht",
        "empfänger",
        "absender",
        "unser",
        "wert",
        "nr",
    ),
    "fr": (
        "le",
        "la",
        "les",
        "et",
        "du",
        "des",
        "numéro",
        "poids",
        "destinataire",
        "est",
        "expéditeur",
        "colis",
    ),
    "es": (
        "el",
        "los",
        "y",
        "número",
        "peso",
        "fecha",
        "remitente",
        "del",
        "nuestro",
        "bultos",
        "envío",
        "por",
    ),
    "nl": (
        "het",
        "een",
        "van",
        "en",
        "zending",
        "afzender",
        "ons",
        "waarde",
        "totale",
        "colli",
        "ontvanger",
        "met",
    ),
    "it": ("il", "gli", "e", "della", "numero", "data", "mittente", "nostro", "colli", "per", "con", "è"),
}
LANGUAGE_NAMES: Mapping[str, str] = {
    "english": "en", "german": "de", "french": "fr", "spanish": "es", "dutch": "nl", "italian": "it",
}  # fmt: skip

# The shortest beginnings that tell the months apart in all of them, without accents.
MONTHS: Mapping[str, int] = {
    "jan": 1, "ene": 1, "gen": 1, "feb": 2, "fev": 2, "fév": 2, "mar": 3, "maa": 3, "mrt": 3, "apr": 4,
    "avr": 4, "abr": 4, "may": 5, "mai": 5, "mei": 5, "mag": 5, "jun": 6, "juin": 6, "giu": 6, "jul": 7,
    "juil": 7, "lug": 7, "aug": 8, "aou": 8, "ago": 8, "sep": 9, "set": 9, "oct": 10, "okt": 10,
    "ott": 10, "nov": 11, "dec": 12, "dez": 12, "dic": 12,
}  # fmt: skip

CURRENCIES: Mapping[str, str] = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "euro": "EUR", "us$": "USD"}
CODES = ("EUR", "USD", "GBP", "CHF", "JPY", "CNY", "PLN", "SEK", "NOK", "DKK", "CAD", "AUD", "INR", "CZK")
