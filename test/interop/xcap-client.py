"""An XCAP client (RFC 4825) that shares nothing with the box but the standards: the standard library of Python, digest by hand
(RFC 7616), documents and selectors by xml.etree. It keeps a document of its own beside the one on the server, edits both, and
compares; it takes each conflict once. Every document it has received is kept for a schema to judge.

usage: xcap-client.py ROOT USER ADDRESS PASSWORD ALGORITHM OUTPUT CERTIFICATE
prints how much it has checked; exit status 1 at a fault
"""

import hashlib
import http.client
import os
import random
import re
import ssl
import sys
import time
import urllib.parse
import xml.etree.ElementTree as ET

ROOT, USER, ADDRESS, PASSWORD, ALGORITHM, OUTPUT, CERTIFICATE = sys.argv[1:]
LISTS = 'urn:ietf:params:xml:ns:resource-lists'
OTHER = 'urn:example:other'
XML = 'http://www.w3.org/XML/1998/namespace'
LIST_TYPE = 'application/resource-lists+xml'
ELEMENT_TYPE = 'application/xcap-el+xml'
ATTRIBUTE_TYPE = 'application/xcap-att+xml'
random.seed(4825)
checked = 0


def check(condition, what):
    global checked
    checked += 1
    if not condition:
        raise SystemExit(f'FAULT: {what}')


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def etag(self):
        return self.headers['ETag']

    @property
    def type(self):
        return (self.headers['Content-Type'] or '').split(';')[0]


class Client:
    """One connection that stays, and the nonce it was given last."""

    def __init__(self):
        self.challenge = None
        self.count = 0
        parts = urllib.parse.urlsplit(ROOT)
        if parts.scheme == 'https':
            trust = ssl.create_default_context(cafile=CERTIFICATE)
            self.connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=trust)
        else:
            self.connection = http.client.HTTPConnection(parts.hostname, parts.port)
        self.root = parts.path

    def ask(self, method, path, body=None, type=None, **conditions):
        target = self.root + path
        for _ in range(5):
            headers = {name.replace('_', '-'): value for name, value in conditions.items()}
            if type is not None:
                headers['Content-Type'] = type
            if self.challenge is not None:
                headers['Authorization'] = self.credentials(method, target)
            self.connection.request(method, target, body, headers)
            response = self.connection.getresponse()
            answer = Answer(response)
            if answer.status == 429:
                time.sleep(int(response.headers['Retry-After']))
                continue
            if answer.status != 401:
                return answer
            challenges = [parse_challenge(text) for text in response.headers.get_all('WWW-Authenticate')]
            self.challenge = next(one for one in challenges if one.get('algorithm', 'MD5') == ALGORITHM)
            self.count = 0
        return answer

    def credentials(self, method, uri):
        def digest(text):
            return hashlib.new({'MD5': 'md5', 'SHA-256': 'sha256'}[ALGORITHM], text.encode()).hexdigest()

        self.count += 1
        realm, nonce = self.challenge['realm'], self.challenge['nonce']
        count, own = f'{self.count:08x}', os.urandom(8).hex()
        secret = digest(f'{USER}:{realm}:{PASSWORD}')
        response = digest(f'{secret}:{nonce}:{count}:{own}:auth:' + digest(f'{method}:{uri}'))
        return (
            f'Digest username="{USER}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm={ALGORITHM}, '
            f'response="{response}", qop=auth, nc={count}, cnonce="{own}"'
        )


def parse_challenge(text):
    return {name.lower(): quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', text)}


kept = 0


def keep(schema, body):
    """For the schema of that name to judge."""
    global kept
    kept += 1
    with open(os.path.join(OUTPUT, f'{schema}~{kept}.xml'), 'wb') as file:
        file.write(body)


def meaning(element):
    """What an element says, as a value that can be compared; white space between elements says nothing."""
    text = (element.text or '').strip()
    children = [(meaning(child), (child.tail or '').strip()) for child in element if isinstance(child.tag, str)]
    return (element.tag, sorted(element.attrib.items()), text, children)


def split(tag):
    namespace, name = re.fullmatch(r'\{([^}]*)\}(.*)', tag).groups()
    return namespace, name


def closed(body):
    """Elements without content written in the short way."""
    return re.sub(rb'<([\w:]+)([^<>]*)></\1\s*>', rb'<\1\2/>', body)


def att_value(text):
    return text.replace('&', '&amp;').replace('<', '&lt;').replace('"', '&quot;')


class Selector:
    """A node selector as path and query; prefixes are bound in the query alone (RFC 4825 §6.4)."""

    def __init__(self):
        self.steps = []
        self.bound = {}

    def name(self, tag):
        namespace, name = split(tag)
        if namespace == LISTS:
            return name
        prefix = self.bound.setdefault(namespace, f'p{len(self.bound)}')
        return f'{prefix}:{name}'

    def url(self, document, terminal=''):
        path = '/'.join(self.steps) + terminal
        query = ''.join(f'xmlns({prefix}={namespace})' for namespace, prefix in self.bound.items())
        quoted = urllib.parse.quote(path, safe="/:@!$&'()*+,;=~")
        return f'{document}/~~/{quoted}' + (f'?{urllib.parse.quote(query, safe="=():")}' if query else '')


def selector_to(path):
    """One of the many selectors of the last of these elements, each being a child of the one before."""
    selector = Selector()
    for parent, element in zip([None, *path], path):
        siblings = [element] if parent is None else [child for child in parent if isinstance(child.tag, str)]
        same = [sibling for sibling in siblings if sibling.tag == element.tag]
        name = selector.name(element.tag)
        position = same.index(element) + 1
        forms = [f'{name}[{position}]', f'*[{siblings.index(element) + 1}]']
        if len(same) == 1:
            forms.append(name)
        if len(siblings) == 1:
            forms.append('*')
        for attribute, value in element.attrib.items():
            if '{' in attribute:
                continue
            predicate = f'[@{attribute}="{att_value(value)}"]'
            forms.append(f'{name}[{position}]{predicate}')
            if sum(sibling.get(attribute) == value for sibling in same) == 1:
                forms.append(name + predicate)
        selector.steps.append(random.choice(forms))
    return selector


def paths(element, above=()):
    path = [*above, element]
    yield path
    for child in element:
        if isinstance(child.tag, str):
            yield from paths(child, path)


document = f'/resource-lists/users/{ADDRESS}/index'
text = f'''<?xml version="1.0" encoding="UTF-8"?>
<!-- kept as it is -->
<rl:resource-lists xmlns:rl="{LISTS}" xmlns:o='{OTHER}'>
  <rl:list name="friends &amp; family" o:colour = "red"  >
    <rl:display-name xml:lang="de">Freunde &#x26; Verwandte, Größe &lt; 10</rl:display-name>
    <rl:entry uri='sip:bill@example.com'><rl:display-name><![CDATA[Bill <the "Bear">]]></rl:display-name></rl:entry>
    <rl:entry uri="sip:joe@example.com"/>
    <rl:list name="close"><!-- nobody yet --></rl:list>
    <list xmlns="{LISTS}" name="inner"><entry uri="sip:nancy@example.com"></entry
    ><entry-ref ref="resource-lists/users/sip:bill@example.com/index/~~/resource-lists/list%5b1%5d"/></list>
    <o:note when="2026">extra<o:inner/></o:note>
  </rl:list>
  <rl:list name="x'y"/>
</rl:resource-lists>
'''.encode()


def reads_and_conditions(client):
    put = client.ask('PUT', document, text, LIST_TYPE)
    check(put.status in (200, 201), f'PUT of a document: {put.status} {put.body}')
    got = client.ask('GET', document)
    check(got.status == 200 and got.body == text and got.type == LIST_TYPE, 'GET yields what was PUT')
    check(got.etag == put.etag and got.etag.startswith('"'), 'one entity-tag, in quotes')
    same = client.ask('GET', document, If_None_Match=got.etag)
    check(same.status == 304 and same.body == b'', f'If-None-Match: {same.status}')
    check(client.ask('GET', document, If_None_Match='"other"').status == 200, 'If-None-Match of another one')
    check(client.ask('PUT', document, text, LIST_TYPE, If_Match='"other"').status == 412, 'If-Match of another one')
    check(client.ask('PUT', document, text, LIST_TYPE, If_None_Match='*').status == 412, 'If-None-Match: *')
    check(client.ask('PUT', document, text, 'text/plain').status == 415, 'another media type')
    head = client.ask('HEAD', document)
    check(head.status == 200 and head.body == b'' and head.etag == got.etag, 'HEAD')


def selects(client):
    """Every element, attribute and set of bindings, each by several selectors, means what xml.etree says it does."""
    root = ET.fromstring(text)
    for path in paths(root):
        element = path[-1]
        for _ in range(4):
            selector = selector_to(path)
            got = client.ask('GET', selector.url(document))
            check(got.status == 200 and got.type == ELEMENT_TYPE, f'{selector.url(document)}: {got.status}')
            check(got.body in text, 'a fragment is a piece of the document')
            bindings = client.ask('GET', selector.url(document, '/namespace::*'))
            check(bindings.status == 200 and bindings.type == 'application/xcap-ns+xml', 'namespace bindings')
            around = bindings.body.decode().strip()
            check(around.endswith('/>'), f'bindings are an empty element: {around}')
            name = re.match(r'<([^\s/>]+)', around).group(1)
            wrapped = ET.fromstring(f'{around[:-2]}>{got.body.decode()}</{name}>')
            check(meaning(wrapped[0]) == meaning(element), f'{selector.url(document)} selects something else')
            for attribute, value in element.attrib.items():
                namespace = re.match(r'\{(.*)\}', attribute)
                if namespace and namespace.group(1) == XML:
                    terminal = '/@xml:' + split(attribute)[1]
                else:
                    terminal = '/@' + (selector.name(attribute) if namespace else attribute)
                got = client.ask('GET', selector.url(document, terminal))
                check(got.status == 200 and got.type == ATTRIBUTE_TYPE, f'{terminal}: {got.status}')
                read = ET.fromstring(f'<a b={got.body.decode()}/>').get('b')
                check(read == value, f'{terminal} is {read}, not {value}')
    for wrong in ('resource-lists/list', 'resource-lists/list[3]', 'resource-lists/list[@name="none"]', 'x/y'):
        selector = Selector()
        selector.steps = [wrong]
        check(client.ask('GET', selector.url(document)).status == 404, f'{wrong} selects nothing or several')


def edits(client, rounds):
    """Entries come, change and go, by selectors; the document is after each the one that was expected, to the octet."""
    body = text
    model = ET.fromstring(body)
    for number in range(rounds):
        lists = [path for path in paths(model) if path[-1].tag == f'{{{LISTS}}}list']
        path = random.choice(lists)
        entries = [child for child in path[-1] if child.tag == f'{{{LISTS}}}entry']
        doing = random.choice(['insert', 'replace', 'delete', 'rename']) if entries else 'insert'
        entry = f'<q:entry xmlns:q="{LISTS}" uri="sip:e{number}@example.com"><q:display-name>É {number}</q:display-name></q:entry>'
        if doing == 'insert':
            selector = selector_to(path)
            selector.steps.append(f'entry[@uri="sip:e{number}@example.com"]')
            answer = client.ask('PUT', selector.url(document), entry.encode(), ELEMENT_TYPE)
            check(answer.status == 201, f'{selector.url(document)}: {answer.status} {answer.body}')
            # Behind the last of its name, or of all (§8.2.3).
            last = max((i for i, child in enumerate(path[-1]) if child.tag == f'{{{LISTS}}}entry'), default=None)
            if last is None and len(path[-1]) > 0:
                # Here the schema has a word as well: entries stand before what is of other namespaces.
                last = max(i for i, child in enumerate(path[-1]))
            path[-1].insert(0 if last is None else last + 1, ET.fromstring(entry))
            now = client.ask('GET', document).body
            # All but the end tag of a list that had none.
            around = now.replace(entry.encode(), b'', 1)
            check(around == body or closed(around) == closed(body), f'an insertion changes something else:\n{now.decode()}')
        elif doing == 'rename':
            child = random.choice(entries)
            selector = selector_to([*path, child])
            selector.steps[-1] = f'entry[{entries.index(child) + 1}]'
            uri = f'sip:renamed{number}@example.com'
            answer = client.ask('PUT', selector.url(document, '/@uri'), f'"{uri}"'.encode(), ATTRIBUTE_TYPE)
            check(answer.status == 200, f'an attribute: {answer.status} {answer.body}')
            child.set('uri', uri)
            now = client.ask('GET', document).body
        else:
            child = random.choice(entries)
            selector = selector_to(path)
            selector.steps.append(f'entry[@uri="{att_value(child.get("uri"))}"]')
            before = client.ask('GET', selector.url(document)).body
            if doing == 'replace':
                changed = entry.replace(f'sip:e{number}@example.com', att_value(child.get('uri')))
                answer = client.ask('PUT', selector.url(document), changed.encode(), ELEMENT_TYPE)
                path[-1][list(path[-1]).index(child)] = ET.fromstring(changed)
                expected = body.replace(before, changed.encode(), 1)
            else:
                answer = client.ask('DELETE', selector.url(document))
                path[-1].remove(child)
                expected = body.replace(before, b'', 1)
            check(answer.status == 200, f'{doing}: {answer.status} {answer.body}')
            now = client.ask('GET', document).body
            check(now == expected, f'{doing} changes one element and nothing else:\n{now.decode()}')
        check(meaning(ET.fromstring(now)) == meaning(model), f'after {doing}:\n{now.decode()}')
        body = now
    keep('resource-lists', body)


def conflicts(client):
    """Each error element of RFC 4825 §11.2 with the request that brings it."""
    start = f'<resource-lists xmlns="{LISTS}"><list name="a"><entry uri="sip:a@x"/><entry uri="sip:b@x"/></list></resource-lists>'
    client.ask('PUT', document, start.encode(), LIST_TYPE)

    def at(path):
        selector = Selector()
        selector.steps = [path]
        return selector.url(document)

    def lists(inner):
        return f'<resource-lists xmlns="{LISTS}">{inner}</resource-lists>'.encode()

    # Reserved names (OMA Shared XDM): who is blocked is not granted by the same list.
    granted = f'{ROOT}{document}/~~/resource-lists/list%5b@name=%22oma_grantedcontacts%22%5d'
    meeting = (
        f'<list name="oma_blockedcontacts"><external anchor="{granted}"/></list><list name="oma_grantedcontacts"/>'
    )
    one = f'<entry xmlns="{LISTS}" uri="sip:c@x"/>'.encode()
    in_list = 'resource-lists/list[@name="a"]'
    expected = [
        ('not-well-formed', 'PUT', document, b'<resource-lists>', LIST_TYPE),
        ('not-utf-8', 'PUT', document, lists('<list name="\u00ff"/>').decode().encode('latin1'), LIST_TYPE),
        ('schema-validation-error', 'PUT', document, lists('<lists/>'), LIST_TYPE),
        ('schema-validation-error', 'PUT', at(f'{in_list}/x'), f'<x xmlns="{LISTS}"/>'.encode(), ELEMENT_TYPE),
        ('not-xml-frag', 'PUT', at(f'{in_list}/entry[@uri="sip:c@x"]'), one + one, ELEMENT_TYPE),
        ('not-xml-frag', 'PUT', at(f'{in_list}/entry[@uri="sip:c@x"]'), b'</list><list>', ELEMENT_TYPE),
        ('no-parent', 'PUT', at('resource-lists/list[@name="b"]/entry[@uri="sip:c@x"]'), one, ELEMENT_TYPE),
        ('no-parent', 'PUT', document.replace('/index', '/no/such/folder'), start.encode(), LIST_TYPE),
        ('cannot-insert', 'PUT', at(f'{in_list}/entry[@uri="sip:d@x"]'), one, ELEMENT_TYPE),
        ('cannot-insert', 'PUT', at(f'{in_list}/entry[7]'), one, ELEMENT_TYPE),
        ('not-xml-att-value', 'PUT', at(f'{in_list}/@name'), b'b', ATTRIBUTE_TYPE),
        ('cannot-delete', 'DELETE', at(f'{in_list}/entry[1]'), None, None),
        ('uniqueness-failure', 'PUT', document, lists('<list name="a"/><list name="a"/>'), LIST_TYPE),
        ('constraint-failure', 'PUT', document, lists('<list><entry-ref ref="/absolute"/></list>'), LIST_TYPE),
        ('local-constraint-failure', 'PUT', document, lists('<list>' * 40 + '</list>' * 40), LIST_TYPE),
        ('local-constraint-failure', 'PUT', document, b'<!DOCTYPE a [<!ENTITY b "c">]>' + lists('<list name="&b;"/>'), LIST_TYPE),
        ('local-constraint-failure', 'PUT', document, lists('<list name="OMA_BuddyList"/>'), LIST_TYPE),
        ('constraint-failure', 'PUT', document, lists(meeting), LIST_TYPE),
    ]
    for condition, method, path, body, type in expected:
        answer = client.ask(method, path, body, type)
        check(answer.status == 409 and answer.type == 'application/xcap-error+xml', f'{condition}: {answer.status} {answer.body}')
        error = ET.fromstring(answer.body)
        if split(error[0].tag)[1] == 'extension':
            error = error[0]
        check(len(error) == 1 and split(error[0].tag)[1] == condition, f'{condition} was expected: {answer.body.decode()}')
        keep('oma-xcap-error' if condition.startswith('local') else 'xcap-error', answer.body)
        check(client.ask('GET', document).body == start.encode(), f'nothing changes with {condition}')
    other = ADDRESS.replace(USER, f'not-{USER}')
    check(client.ask('GET', f'/resource-lists/users/{other}/index').status in (403, 404), "another user's documents")


def authority(client):
    """Another host's documents are not here (RFC 9110 §7.4); an address says nothing about whose they are."""
    for host, isThere in (('localhost:8443', True), ('192.0.2.77', True), ('[2001:db8::1]:80', True), ('other.example', False)):
        answer = client.ask('GET', '/xcap-caps/global/index', Host=host)
        check(answer.status == (200 if isThere else 404), f'{host}: {answer.status}')


def served(client):
    """What the servers make themselves."""
    index = '/rls-services/global/index'
    services = f'''<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="{LISTS}">
<service uri="sip:{USER}-marketing@{ADDRESS.split('@')[1]}"><list name="marketing"><rl:entry uri="sip:joe@example.com"/></list>
<packages><package>presence</package></packages></service></rls-services>'''
    put = client.ask('PUT', f'/rls-services/users/{ADDRESS}/index', services.encode(), 'application/rls-services+xml')
    check(put.status in (200, 201), f'rls-services: {put.status} {put.body}')
    for path, schema, type in [
        ('/xcap-caps/global/index', 'xcap-caps', 'application/xcap-caps+xml'),
        (
            f'/org.openmobilealliance.xcap-directory/users/{ADDRESS}/directory.xml',
            'oma-xcap-directory',
            'application/vnd.oma.xcap-directory+xml',
        ),
        (index, 'rls-services', 'application/rls-services+xml'),
        (f'/org.openmobilealliance.pres-rules/users/{ADDRESS}/pres-rules', 'rules-all', 'application/auth-policy+xml'),
    ]:
        got = client.ask('GET', path)
        if path == index and got.status == 403:
            # For operators alone; the test knows who is one.
            continue
        check(got.status == 200 and got.type == type, f'{path}: {got.status} {got.type}')
        keep(schema, got.body)
        check(path != index or f'sip:{USER}-marketing@'.encode() in got.body, 'the global index has it')


client = Client()
reads_and_conditions(client)
selects(client)
edits(client, 60)
conflicts(client)
authority(client)
served(client)
for path in (document, f'/rls-services/users/{ADDRESS}/index'):
    check(client.ask('DELETE', path).status == 200, f'DELETE {path}')
check(client.ask('GET', document).status == 404, 'a document that was deleted is not found')
print(f'{checked} checks, {kept} documents kept')
