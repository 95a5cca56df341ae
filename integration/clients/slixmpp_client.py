#!/usr/bin/python3
"""Asks for external services with slixmpp (Debian: python3-slixmpp).

slixmpp 1.8 has no XEP-0215 plugin: the stanza classes below are registered with it as a plugin would do.
"""
import argparse
import asyncio
import json
import logging
import os
import sys

from slixmpp import ClientXMPP, Iq
from slixmpp.exceptions import IqError
from slixmpp.xmlstream import ElementBase, register_stanza_plugin

TIMEOUT = 20


def stanza_classes(ns):
    class Service(ElementBase):
        name = plugin_attrib = 'service'
        namespace = f'urn:xmpp:extdisco:{ns}'
        plugin_multi_attrib = 'services'
        interfaces = {'type', 'host', 'port', 'transport'}

    class Services(ElementBase):
        name = 'services'
        namespace = Service.namespace
        plugin_attrib = 'extdisco_services'
        interfaces = {'type'}

    class Credentials(ElementBase):
        name = 'credentials'
        namespace = Service.namespace
        plugin_attrib = 'extdisco_credentials'

    for root in (Services, Credentials):
        register_stanza_plugin(Iq, root)
        register_stanza_plugin(root, Service, iterable=True)


def options():
    p = argparse.ArgumentParser(allow_abbrev=False)
    p.error = sys.exit  # status 1, not 2
    p.add_argument('--service', required=True)
    p.add_argument('--domain', required=True)
    p.add_argument('--jid')
    p.add_argument('--password-file')
    p.add_argument('--to')
    p.add_argument('--ns', choices=['1', '2'], default='2')
    p.add_argument('--request', choices=['services', 'credentials'], default='services')
    p.add_argument('--type')
    p.add_argument('--host')
    p.add_argument('--port', type=int)
    p.add_argument('--transport')
    p.add_argument('--repeat', type=int, default=1)
    o = p.parse_args()
    if bool(o.jid) != bool(o.password_file):
        p.error('--jid and --password-file go together')
    if o.request == 'credentials' and not (o.type and o.host):
        p.error('credentials need --type and --host')
    o.password = ''
    if o.password_file:
        with open(o.password_file, encoding='utf-8') as f:
            o.password = f.read().rstrip('\r\n')
    return o


def service(element):
    known = {'true': True, '1': True, 'false': False, '0': False}
    attrs = dict(element.xml.attrib)
    # A value of the wrong form is shown as it came, so that a test sees it.
    if attrs.get('port', '').isdecimal():
        attrs['port'] = int(attrs['port'])
    if 'restricted' in attrs:
        attrs['restricted'] = known.get(attrs['restricted'], attrs['restricted'])
    return attrs


async def question(xmpp, o):
    key = f'extdisco_{o.request}'
    iq = xmpp.make_iq_get(ito=o.to or o.domain)
    iq.enable(key)
    if o.request == 'services':
        if o.type:
            iq[key]['type'] = o.type
    else:
        for name in ('type', 'host', 'port', 'transport'):
            value = getattr(o, name)
            if value is not None:
                iq[key]['service'][name] = str(value)
    try:
        reply = await iq.send(timeout=3 * TIMEOUT)  # above the overall time-out
    except IqError as err:
        error = err.iq['error']
        answer = {'type': error['type'], 'condition': error['condition']}
        if error['text']:
            answer['text'] = error['text']
        return {'error': answer}
    root = reply.get_plugin(key, check=True)
    if root is None:
        raise RuntimeError(f'result without <{o.request}> of extdisco:{o.ns}')
    return {'services': [service(s) for s in root['services']]}


async def ask(o):
    stanza_classes(o.ns)
    xmpp = ClientXMPP(o.jid or o.domain, o.password)  # a JID without a user: SASL ANONYMOUS
    started = asyncio.get_running_loop().create_future()
    ended = asyncio.get_running_loop().create_future()

    def lost(event):
        if not ended.done():
            ended.set_result(event)

    xmpp.add_event_handler('session_start', lambda _: started.done() or started.set_result(None))
    for event in ('failed_auth', 'failed_all_auth', 'connection_failed', 'stream_error', 'disconnected'):
        xmpp.add_event_handler(event, lambda data, event=event: lost(f'{event}: {data or ""}'))
    host, _, port = o.service.rpartition(':')
    xmpp.connect((host.strip('[]'), int(port)), force_starttls=False, disable_starttls=True)

    async def questions():
        await started
        return [await question(xmpp, o) for _ in range(o.repeat)]

    task = asyncio.ensure_future(questions())
    await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        raise RuntimeError(ended.result())
    document = {'client': 'slixmpp', 'jid': xmpp.boundjid.full, 'answers': task.result()}
    await xmpp.disconnect()
    return document


def main():
    logging.basicConfig(level=logging.DEBUG if os.environ.get('XMPP_DEBUG') else logging.WARNING)
    o = options()
    try:
        document = asyncio.run(asyncio.wait_for(ask(o), TIMEOUT))
    except asyncio.TimeoutError:
        sys.exit(f'no answer within {TIMEOUT} s')
    except RuntimeError as err:
        sys.exit(str(err))
    print(json.dumps(document))


if __name__ == '__main__':
    main()
