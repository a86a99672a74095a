/**
 * The rules a new user begins with (DEC-02): himself, everybody of his domain, whom he has not decided upon, and nobody in
 * particular. Ids are those that clients of the OMA know (PS-91), where there are such.
 */

const everything = `<transformations>
      <pr:provide-services><pr:all-services/></pr:provide-services>
      <pr:provide-persons><pr:all-persons/></pr:provide-persons>
      <pr:provide-devices><pr:all-devices/></pr:provide-devices>
      <pr:provide-all-attributes/>
    </transformations>`

export const defaultRules = `<?xml version="1.0" encoding="UTF-8"?>
<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules" xmlns:ocp="urn:oma:xml:xdm:common-policy">
  <rule id="wp_prs_allow_own">
    <conditions><identity><one id="{user}"/></identity></conditions>
    <actions><pr:sub-handling>allow</pr:sub-handling></actions>
    ${everything}
  </rule>
  <rule id="prs_allow_domain">
    <conditions><identity><many domain="{domain}"/></identity></conditions>
    <actions><pr:sub-handling>allow</pr:sub-handling></actions>
    ${everything}
  </rule>
  <rule id="wp_prs_unlisted">
    <conditions><ocp:other-identity/></conditions>
    <actions><pr:sub-handling>confirm</pr:sub-handling></actions>
  </rule>
  <rule id="wp_prs_block_anonymous">
    <conditions><ocp:anonymous-request/></conditions>
    <actions><pr:sub-handling>block</pr:sub-handling></actions>
  </rule>
</ruleset>
`
