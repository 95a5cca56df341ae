/* eslint-disable comma-dangle, no-unused-vars */
/* A part of config.js of Jitsi Meet, as an administrator keeps it. */
var subdir = '<!--# echo var="subdir" default="" -->';
var subdomain = '<!--# echo var="subdomain" default="" -->';

var config = {
    // Connection
    hosts: {
        domain: 'meet.example.org',
        muc: 'conference.' + subdomain + 'meet.example.org',
    },
    bosh: 'https://meet.example.org/' + subdir + 'http-bind',

    constraints: {
        video: { height: { ideal: 720, max: 720, min: 240 } }
    },

    p2p: {
        // Direct connections between two participants.
        enabled: true,
        useStunTurn: true,

        stunServers: [
            // { urls: 'stun:stun-old.example.org:3478' },
            { urls: 'stun:meet-jit-si-turnrelay.jitsi.net:443' },
            { urls: 'stun:stun.example.net' },
            { urls: 'turn:turn.example.org:3478?transport=udp', username: 'jitsi', credential: 'SecretOfTheJitsiAccount' },
        ],
    },

    analytics: {
        // url: 'https://analytics.example.org/'
        whiteListedEvents: [ 'conference.joined', 'ice.*' ]
    },
    makeJsonParserHappy: 'even if last key had a trailing comma'
};
