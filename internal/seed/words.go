package seed

var (
	brandStarts = []string{
		"Acu", "Aero", "Agri", "Alti", "Aqua", "Arc", "Astra", "Axi", "Bio", "Blue", "Brio", "Calyx", "Cero",
		"Clari", "Cyber", "Data", "Delta", "Digi", "Eco", "Ever", "Flux", "Geo", "Halo", "Helio", "Hydro", "Inno",
		"Kine", "Lumi", "Macro", "Medi", "Meta", "Neo", "Nova", "Omni", "Opti", "Orbi", "Penta", "Poly", "Quanta",
		"Robo", "Sano", "Sol", "Stella", "Syn", "Terra", "Uni", "Vela", "Veri", "Vita", "Zeni",
	}
	brandEnds = []string{
		"base", "bridge", "cast", "core", "craft", "dyne", "field", "flow", "forge", "gen", "grid", "lab", "land",
		"line", "link", "logic", "mark", "mart", "matic", "med", "mind", "net", "nix", "path", "plex", "point",
		"port", "ra", "scape", "scope", "soft", "sphere", "stack", "tec", "tek", "tron", "verse", "via", "ware",
		"works",
	}
)

var locales = [...]locale{english, german, french, spanish, portuguese, italian, nordic, slavic, greek, ukrainian, japanese, korean, hindi}

var english = locale{
	percent: 34,
	patterns: []string{
		"$s $t $l", "$s & $s $t", "$s, $s & $s $l", "$s & Sons $t", "$c $t $l", "$b $l", "$b $t $l",
		"The $c $t Company", "$s's $t", "$c & $c $t $l", "$b by $s", "$s–$s $t",
	},
	branches: []string{" – $c", " ($c)", " of $c", " No. $n", " $n", " @ $c"},
	surnames: []string{
		"Adams", "Baker", "Bennett", "Brooks", "Campbell", "Carter", "Chen", "Clarke", "Cooper", "D'Angelo",
		"Davies", "Edwards", "Evans", "Fitzgerald", "Foster", "Gallagher", "Green", "Hall", "Harris", "Hughes",
		"Jackson", "Jones", "Kelly", "Khan", "King", "Lee", "Lewis", "MacDonald", "Martin", "McCarthy", "Mitchell",
		"Moore", "Morgan", "Murphy", "Nguyen", "O'Brien", "O'Connor", "O'Neill", "Parker", "Patel", "Phillips",
		"Reed", "Roberts", "Rogers", "Scott", "Singh", "Smith", "St. John", "Stewart", "Taylor", "Thompson",
		"Turner", "Walker", "Ward", "Watson", "Williams", "Wilson", "Wood", "Wright", "Young",
	},
	cities: []string{
		"Aberdeen", "Atlanta", "Austin", "Baltimore", "Belfast", "Boston", "Brisbane", "Bristol", "Calgary",
		"Cardiff", "Chicago", "Coeur d'Alene", "Dallas", "Denver", "Detroit", "Dublin", "Edinburgh", "Glasgow",
		"Halifax", "Houston", "King's Lynn", "Leeds", "London", "Manchester", "Melbourne", "Memphis", "Montréal",
		"Nashville", "New York", "Oakland", "Ottawa", "Perth", "Portland", "San José", "Seattle", "St. John's",
		"Stratford-upon-Avon", "Sydney", "Toronto", "Wellington",
	},
	trades: []string{
		"Accounting", "Advertising", "Analytics", "Architects", "Bakery", "Biotech", "Brewing", "Capital",
		"Catering", "Chemicals", "Cleaning", "Coffee Roasters", "Construction", "Consulting", "Dairy", "Dental",
		"Design", "Electric", "Engineering", "Farms", "Films", "Fitness", "Foods", "Furniture", "Games",
		"Health", "Holdings", "Hotels", "Insurance", "Landscaping", "Legal", "Logistics", "Media", "Motors",
		"Optical", "Packaging", "Pharma", "Plumbing & Heating", "Press", "Properties", "Recruiting", "Research",
		"Robotics", "Security", "Shipping", "Solar", "Steel", "Studios", "Systems", "Technologies", "Textiles",
		"Tools", "Toys", "Travel", "Veterinary Care", "Water", "Wines & Spirits",
	},
	legal: []string{"Inc.", "LLC", "Ltd", "Ltd.", "Corp.", "plc", "LLP", "Pty Ltd", "Group", "Co.", "& Co."},
}

var german = locale{
	percent: 12,
	patterns: []string{
		"$s $t $l", "$s & $s $l", "$s & Söhne $t $l", "$t $s $l", "$c-$t $l", "$b $t $l", "$s und $s $t $l",
	},
	branches: []string{" – $c", " ($c)", ", Niederlassung $c", ", Werk $n", " $c"},
	surnames: []string{
		"Bauer", "Becker", "Böhm", "Braun", "Fischer", "Frank", "Fuchs", "Groß", "Günther", "Hofmann", "Huber",
		"Jäger", "Kaiser", "Keller", "Klein", "Koch", "König", "Köhler", "Krämer", "Krüger", "Lang", "Lehmann",
		"Maier", "Möller", "Müller", "Neumann", "Peters", "Pfäffli", "Richter", "Roth", "Schäfer", "Schmidt",
		"Schneider", "Schröder", "Schulz", "Schwarz", "Stöckli", "Vogel", "Wagner", "Weber", "Weiß", "Winkler",
		"Wolf", "Zimmermann", "Zürcher",
	},
	cities: []string{
		"Basel", "Berlin", "Bern", "Bremen", "Dresden", "Düsseldorf", "Frankfurt", "Gießen", "Graz", "Göttingen",
		"Hamburg", "Hannover", "Innsbruck", "Köln", "Leipzig", "Linz", "Lübeck", "München", "Münster", "Nürnberg",
		"Salzburg", "Saarbrücken", "Stuttgart", "Tübingen", "Wien", "Winterthur", "Würzburg", "Zürich",
	},
	trades: []string{
		"Anlagenbau", "Bäckerei", "Bau", "Brauerei", "Dachdeckerei", "Druckerei", "Elektrotechnik", "Energie",
		"Feinmechanik", "Fördertechnik", "Gebäudereinigung", "Getränke", "Großhandel", "Hausverwaltung",
		"Immobilien", "Kälteanlagen", "Logistik", "Maschinenbau", "Medizintechnik", "Messgeräte", "Möbel",
		"Optik", "Präzisionswerkzeuge", "Sanitär", "Software", "Spedition", "Stahlbau", "Straßenbau",
		"Tiefkühlkost", "Unternehmensberatung", "Verlag", "Versicherungen",
	},
	legal: []string{"GmbH", "AG", "GmbH & Co. KG", "KG", "OHG", "e. K.", "UG (haftungsbeschränkt)", "SE", "e. V."},
}

var french = locale{
	percent: 9,
	patterns: []string{
		"$s $t $l", "$t $s", "$s & Fils $l", "$t de $c $l", "$s et $s $l", "L'Atelier $s", "Maison $s", "$b $t $l",
	},
	branches: []string{" – $c", " ($c)", ", agence de $c", " n° $n", " $c"},
	surnames: []string{
		"André", "Bélanger", "Bernard", "Blanc", "Chevalier", "D'Aubigné", "Dubois", "Dupont", "Durand", "Faure",
		"François", "Gagné", "Garnier", "Gérard", "Girard", "Guérin", "L'Hermitte", "Lambert", "Lefèvre", "Legrand",
		"Lemaître", "Leroy", "Marchand", "Martin", "Mathieu", "Mercier", "Moreau", "N'Diaye", "Noël", "Perrin",
		"Petit", "Renaud", "Richard", "Robert", "Rousseau", "Roux", "Simon", "Thévenot", "Tremblay", "Vidal",
	},
	cities: []string{
		"Aix-en-Provence", "Besançon", "Bordeaux", "Bruxelles", "Dakar", "Genève", "Grenoble", "Le Havre", "Liège",
		"L'Haÿ-les-Roses", "Lille", "Lyon", "Marseille", "Montréal", "Namur", "Nantes", "Neuchâtel", "Nîmes",
		"Orléans", "Paris", "Québec", "Rennes", "Saint-Étienne", "Strasbourg", "Toulouse", "Trois-Rivières",
	},
	trades: []string{
		"Ameublement", "Architecture", "Assurances", "Bâtiment", "Boulangerie", "Chaussures", "Chimie", "Conseil",
		"Cosmétiques", "Édition", "Électricité", "Énergie", "Fromagerie", "Hôtellerie", "Immobilier", "Ingénierie",
		"Logistique", "Mécanique", "Médias", "Menuiserie", "Numérique", "Pâtisserie", "Pharmacie", "Santé",
		"Sécurité", "Télécoms", "Textile", "Traiteur", "Transports", "Vins",
	},
	legal: []string{"S.A.", "SARL", "SAS", "SASU", "SNC", "EURL", "& Cie", "inc."},
}

var spanish = locale{
	percent: 8,
	patterns: []string{
		"$s $t $l", "$t $s $l", "Hermanos $s $l", "$s y $s $t $l", "$t de $c $l", "Grupo $s", "$s & Asociados", "$b $t $l",
	},
	branches: []string{" – $c", " ($c)", ", sucursal $c", " n.º $n", " $c"},
	surnames: []string{
		"Álvarez", "Blanco", "Castro", "Delgado", "Díaz", "Domínguez", "Fernández", "Flores", "García", "Gómez",
		"González", "Gutiérrez", "Hernández", "Ibáñez", "Iglesias", "Jiménez", "López", "Marín", "Martínez",
		"Molina", "Morales", "Muñoz", "Navarro", "Núñez", "Ortega", "Peña", "Pérez", "Quiñones", "Ramírez", "Reyes",
		"Rodríguez", "Ruiz", "Sánchez", "Suárez", "Torres", "Vargas", "Vázquez", "Yáñez", "Zúñiga",
	},
	cities: []string{
		"A Coruña", "Asunción", "Barcelona", "Bilbao", "Bogotá", "Buenos Aires", "Cádiz", "Cancún", "Córdoba",
		"Guadalajara", "La Paz", "León", "Lima", "Madrid", "Málaga", "Medellín", "México", "Montevideo", "Monterrey",
		"Mérida", "Quito", "San José", "San Sebastián", "Santiago", "Sevilla", "Valencia", "Valparaíso", "Zaragoza",
	},
	trades: []string{
		"Aceites", "Alimentación", "Arquitectura", "Asesoría", "Calzados", "Cerámicas", "Construcciones", "Diseño",
		"Editorial", "Electrónica", "Energías", "Farmacéutica", "Ferretería", "Hotelería", "Inmobiliaria",
		"Logística", "Maquinaria", "Mineras", "Muebles", "Panadería", "Pesquera", "Químicas", "Seguros", "Servicios",
		"Tecnología", "Textiles", "Transportes", "Viñedos",
	},
	legal: []string{"S.A.", "S.L.", "S.L.U.", "S.A. de C.V.", "S.R.L.", "S.A.S.", "Ltda.", "e Hijos"},
}

var portuguese = locale{
	percent: 6,
	patterns: []string{
		"$s $t $l", "$t $s $l", "Irmãos $s $l", "$s & Filhos $l", "$t de $c $l", "$s, $s & Associados", "$b $t $l",
	},
	branches: []string{" – $c", " ($c)", ", filial $c", " n.º $n", " $c"},
	surnames: []string{
		"Almeida", "Araújo", "Barbosa", "Brandão", "Cardoso", "Carvalho", "Conceição", "Costa", "Fernandes",
		"Ferreira", "Gonçalves", "Guimarães", "Leitão", "Lourenço", "Magalhães", "Melo", "Mendonça", "Moreira",
		"Oliveira", "Pereira", "Ribeiro", "Rodrigues", "Santos", "Silva", "Simões", "Souza", "Teixeira", "Valadão",
	},
	cities: []string{
		"Belém", "Belo Horizonte", "Braga", "Brasília", "Coimbra", "Cuiabá", "Curitiba", "Évora", "Florianópolis",
		"Fortaleza", "Goiânia", "Guimarães", "João Pessoa", "Lisboa", "Luanda", "Maceió", "Maputo", "Porto",
		"Recife", "Rio de Janeiro", "Salvador", "São Luís", "São Paulo", "Setúbal", "Vitória",
	},
	trades: []string{
		"Alimentos", "Automóveis", "Café", "Calçados", "Cerâmica", "Confecções", "Construções", "Consultoria",
		"Cortiça", "Distribuição", "Educação", "Eletrônicos", "Energia", "Farmácia", "Imóveis", "Informática",
		"Laticínios", "Logística", "Mineração", "Móveis", "Padaria", "Saúde", "Segurança", "Serviços", "Soluções",
		"Transportes", "Vinhos",
	},
	legal: []string{"S.A.", "Ltda.", "Lda.", "S/A", "ME", "EIRELI", "SGPS"},
}

var italian = locale{
	percent: 5,
	patterns: []string{
		"$s $t $l", "$t $s $l", "Fratelli $s $l", "$s & Figli $l", "$t di $c $l", "L'Officina $s $l", "$b $t $l",
	},
	branches: []string{" – $c", " ($c)", ", sede di $c", " n. $n", " $c"},
	surnames: []string{
		"Barbieri", "Bianchi", "Caruso", "Colombo", "Conti", "Costa", "D'Amico", "Dall'Oglio", "De Luca", "Dell'Orto",
		"Esposito", "Ferrari", "Fontana", "Galli", "Gallo", "Giordano", "Greco", "Lombardi", "Mancini", "Marino",
		"Moretti", "Nicolò", "Ricci", "Rizzo", "Romano", "Rossi", "Russo", "Santoro", "Viganò", "Zanetti",
	},
	cities: []string{
		"Ancona", "Bari", "Bologna", "Cefalù", "Cuneo", "Firenze", "Forlì", "Genova", "L'Aquila", "Lucca", "Milano",
		"Napoli", "Padova", "Palermo", "Parma", "Pescara", "Reggio nell'Emilia", "Roma", "Torino", "Trento",
		"Trieste", "Venezia", "Verona",
	},
	trades: []string{
		"Abbigliamento", "Acciai", "Agricola", "Arredamenti", "Assicurazioni", "Caffè", "Calzature", "Ceramiche",
		"Chimica", "Costruzioni", "Editoria", "Elettronica", "Gioielli", "Immobiliare", "Impianti", "Informatica",
		"Logistica", "Meccanica", "Moda", "Oleificio", "Pasticceria", "Qualità & Ambiente", "Tessuti", "Trasporti",
	},
	legal: []string{"S.p.A.", "S.r.l.", "S.r.l.s.", "S.n.c.", "S.a.s.", "& C. S.a.s."},
}

var nordic = locale{
	percent: 6,
	patterns: []string{
		"$s $t $l", "$s & $s $l", "$c $t $l", "$s & Søn $l", "$t $s $l", "Brødrene $s $l", "$b $t $l",
	},
	branches: []string{" – $c", " ($c)", " $c", " nr. $n", ", avd. $c"},
	surnames: []string{
		"Åkesson", "Ångström", "Andersen", "Bergström", "Bjørnstad", "Bødker", "Ekström", "Guðmundsson", "Hansen",
		"Hägg", "Håkansson", "Jensen", "Jónsdóttir", "Jørgensen", "Karlsson", "Kjær", "Korhonen", "Larsen",
		"Lindqvist", "Mäkinen", "Møller", "Nieminen", "Nordström", "Nygård", "Ødegård", "Olsen", "Østergaard",
		"Rasmussen", "Sjöberg", "Sørensen", "Väisänen", "Þórsson",
	},
	cities: []string{
		"Aalborg", "Ålesund", "Aarhus", "Bergen", "Bodø", "Gävle", "Göteborg", "Helsinki", "Hämeenlinna",
		"Jyväskylä", "København", "Köping", "Linköping", "Luleå", "Malmö", "Mosjøen", "Odense", "Oslo", "Reykjavík",
		"Stockholm", "Tampere", "Tromsø", "Trondheim", "Umeå", "Västerås", "Ísafjörður",
	},
	trades: []string{
		"Arkitekter", "Bryggeri", "Bygg", "Data", "Eiendom", "Energi", "Fiskeri", "Forsikring", "Fjärrvärme",
		"Glasbruk", "Ingeniører", "Konsult", "Kött & Chark", "Møbler", "Måleri", "Rederi", "Rør", "Skog", "Sjømat",
		"Snickeri", "Ståhl", "Tandvård", "Teknik", "Trævarer", "Verkstad", "Värme",
	},
	legal: []string{"AB", "A/S", "ApS", "AS", "ASA", "Oy", "Oyj", "ehf.", "hf.", "HB"},
}

var slavic = locale{
	percent: 6,
	patterns: []string{
		"$s $t $l", "$t $s $l", "$s i $s $l", "$c $t $l", "$s & $s $t $l", "$b $t $l",
	},
	branches: []string{" – $c", " ($c)", " $c", " nr $n", ", oddział $c"},
	surnames: []string{
		"Čech", "Černý", "Dąbrowski", "Dvořák", "Đurić", "Horváth", "Jabłoński", "Janković", "Kovačević", "Kowalski",
		"Kozłowski", "Kučera", "Lewandowski", "Łukasik", "Nagy", "Novák", "Nowak", "Pavlović", "Popescu",
		"Růžička", "Sobczyk", "Svoboda", "Szabó", "Szymański", "Ștefănescu", "Tóth", "Wiśniewski", "Wójcik",
		"Zieliński", "Žižka", "Żak",
	},
	cities: []string{
		"Białystok", "Bratislava", "Brno", "București", "Bydgoszcz", "Częstochowa", "Debrecen", "Gdańsk", "Győr",
		"Iași", "Košice", "Kraków", "Łódź", "Ljubljana", "Lublin", "Niš", "Olomouc", "Pécs", "Plzeň", "Poznań",
		"Praha", "Rzeszów", "Šibenik", "Timișoara", "Toruń", "Warszawa", "Wrocław", "Zagreb", "Žilina",
	},
	trades: []string{
		"Budownictwo", "Chemia", "Cukiernia", "Doprava", "Drukarnia", "Elektrotechnika", "Energetyka", "Finanse",
		"Hutnictwo", "Instalacje", "Kosmetyki", "Księgarnia", "Logistyka", "Meble", "Medycyna", "Nieruchomości",
		"Oprogramowanie", "Papír", "Piekarnia", "Pivovar", "Přeprava", "Sklárny", "Software", "Strojírny",
		"Ubezpieczenia", "Usługi", "Żegluga",
	},
	legal: []string{"sp. z o.o.", "S.A.", "sp.k.", "s.r.o.", "a.s.", "d.o.o.", "d.d.", "Kft.", "Zrt.", "S.R.L."},
}

var greek = locale{
	percent:  3,
	patterns: []string{"$s $t $l", "Αφοί $s $l", "$s & Υιοί $t $l", "$t $c $l", "$s – $s $l", "Ελλάς $t $l"},
	branches: []string{" – $c", " ($c)", " $c", " Νο $n"},
	surnames: []string{
		"Αγγελόπουλος", "Βλάχος", "Γεωργίου", "Δημητρίου", "Ιωάννου", "Καραγιάννης", "Κωνσταντίνου", "Μακρής",
		"Νικολαΐδης", "Οικονόμου", "Παπαδόπουλος", "Σταύρου", "Τσιμισκής", "Χατζής",
	},
	cities: []string{
		"Αθήνα", "Βόλος", "Ηράκλειο", "Θεσσαλονίκη", "Ιωάννινα", "Καλαμάτα", "Λάρισα", "Λευκωσία", "Πάτρα",
		"Πειραιάς", "Ρόδος", "Χανιά",
	},
	trades: []string{
		"Ακίνητα", "Αρτοποιία", "Εκδόσεις", "Ελαιόλαδο", "Ενέργεια", "Κατασκευές", "Λογιστική", "Μεταφορές",
		"Ναυτιλιακή", "Ξενοδοχεία", "Πληροφορική", "Τρόφιμα", "Φαρμακευτική",
	},
	legal: []string{"Α.Ε.", "Ε.Π.Ε.", "Ι.Κ.Ε.", "Ο.Ε."},
}

var ukrainian = locale{
	percent:  3,
	patterns: []string{"$l «$s $t»", "$l «$c $t»", "$s і $s", "$l «$t $s»", "«$c-$t» $l", "Брати $s $l"},
	branches: []string{" – $c", " ($c)", " №$n", ", філія $c"},
	surnames: []string{
		"Бондаренко", "В'ячеславенко", "Гончаренко", "Ґудзь", "Іваненко", "Їжакевич", "Коваленко", "Кравченко",
		"Лук'яненко", "Мельник", "Олійник", "Петренко", "Савченко", "Ткаченко", "Шевченко", "Юрченко",
	},
	cities: []string{
		"Вінниця", "Дніпро", "Житомир", "Запоріжжя", "Івано-Франківськ", "Кам'янець", "Київ", "Кропивницький",
		"Луцьк", "Львів", "Одеса", "Полтава", "Рівне", "Харків", "Чернігів",
	},
	trades: []string{
		"Агро", "Будівництво", "Видавництво", "Енергія", "Зерно", "Логістика", "Меблі", "Метал", "Молоко",
		"Нерухомість", "Перевезення", "Пекарня", "Технології", "Хімія",
	},
	legal: []string{"ТОВ", "ПрАТ", "ПАТ", "ФОП"},
}

var japanese = locale{
	percent:  5,
	patterns: []string{"株式会社$c$t", "$s$t株式会社", "$c$s$t", "合同会社$s$t", "$s・$s$t", "$b $t $l", "有限会社$s商店"},
	branches: []string{"$c支店", "$c営業所", "（$c）", "第$n工場"},
	surnames: []string{
		"伊藤", "井上", "加藤", "小林", "斎藤", "佐藤", "佐々木", "清水", "鈴木", "高橋", "田中", "中村", "林", "松本", "森",
		"山口", "山田", "山本", "吉田", "渡辺",
	},
	cities: []string{
		"青森", "宇都宮", "大阪", "岡山", "鹿児島", "金沢", "川崎", "京都", "神戸", "札幌", "静岡", "仙台", "東京", "長崎",
		"名古屋", "奈良", "新潟", "広島", "福岡", "横浜",
	},
	trades: []string{
		"運輸", "エンジニアリング", "化学", "ガラス", "建設", "工業", "サービス", "自動車", "酒造", "システム", "出版",
		"食品", "水産", "精密", "製菓", "製薬", "繊維", "ソフトウェア", "電機", "デザイン", "不動産", "物流", "保険", "薬局",
	},
	legal: []string{"K.K.", "株式会社", "合同会社"},
}

var korean = locale{
	percent:  2,
	patterns: []string{"주식회사 $s$t", "$c $t $l", "$s앤$s $t", "$b$t $l", "$c$s $t"},
	branches: []string{" $c점", " ($c)", " 제$n공장"},
	surnames: []string{"강산", "김가네", "대한", "동양", "미래", "박씨네", "삼보", "새한", "서림", "신성", "이화", "정우", "최고", "한빛"},
	cities:   []string{"광주", "대구", "대전", "부산", "서울", "수원", "울산", "인천", "전주", "제주", "창원", "춘천"},
	trades: []string{
		"건설", "과학", "기계", "무역", "물산", "물류", "바이오", "보험", "산업", "소프트", "식품", "전자", "제약", "화학",
	},
	legal: []string{"(주)", "유한회사", "그룹"},
}

var hindi = locale{
	percent:  1,
	patterns: []string{"$s $t $l", "$c $t $l", "$s एंड संस", "$s और $s $t"},
	branches: []string{" – $c", " ($c)", " $n"},
	surnames: []string{"अग्रवाल", "कपूर", "कुमार", "गुप्ता", "चौधरी", "जोशी", "मेहता", "वर्मा", "शर्मा", "सिंह"},
	cities:   []string{"इंदौर", "जयपुर", "दिल्ली", "पटना", "भोपाल", "मुंबई", "लखनऊ", "वाराणसी"},
	trades:   []string{"उद्योग", "ऊर्जा", "कृषि", "ट्रेडर्स", "परिवहन", "प्रकाशन", "वस्त्र", "हॉस्पिटल"},
	legal:    []string{"प्रा. लि.", "लिमिटेड", "समूह"},
}
