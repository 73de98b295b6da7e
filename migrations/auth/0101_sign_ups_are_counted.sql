COMMENT ON TABLE sign_in_attempts IS
    'Sign-ins that failed, for each account from one address, each account and each address; '
    'and sign-ups, for each address.';
