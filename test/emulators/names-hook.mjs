// Loaded into a test's child process: it asks the DNS server in TEST_DNS_SERVER, and every name leads to loopback.
// TLS still checks the certificate against the name that the program asked for.
import dns from 'node:dns';

dns.setServers([process.env.TEST_DNS_SERVER]);
dns.lookup = (_hostname, options, callback = options) => {
  if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
  else callback(null, '127.0.0.1', 4);
};
